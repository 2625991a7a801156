// Small behaviours, each bound by data-controller. Every page works without them.
"use strict";

(() => {
  const { Application, Controller } = window.Stimulus;
  const application = Application.start();
  const pageTitle = document.title;

  // The ticking clock of a running timer, by the server's time: the browser's own may be wrong.
  application.register("clock", class extends Controller {
    static values = { start: Number, now: Number, about: String };

    connect() {
      this.ahead = Date.now() / 1000 - this.nowValue;
      this.timer = setInterval(() => this.show(), 1000);
      this.show();
    }

    disconnect() {
      clearInterval(this.timer);
      if (this.aboutValue) document.title = pageTitle;
    }

    show() {
      const seconds = Math.max(0, Math.floor(Date.now() / 1000 - this.ahead - this.startValue));
      const two = (number) => String(number).padStart(2, "0");
      const minutes = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}`;
      this.element.textContent = `${minutes}:${two(seconds % 60)}`;
      if (this.aboutValue) document.title = `${minutes} · ${this.aboutValue} · ${pageTitle}`;
    }
  });

  // A menu in <details> closes on Escape, and when the person turns elsewhere.
  application.register("menu", class extends Controller {
    connect() {
      this.outside = (event) => this.element.contains(event.target) || this.close();
      this.escape = (event) => event.key === "Escape" && this.element.open && this.close(true);
      this.left = (event) => event.relatedTarget && this.outside({ target: event.relatedTarget });
      document.addEventListener("click", this.outside);
      this.element.addEventListener("focusout", this.left);
      this.element.addEventListener("keydown", this.escape);
    }

    disconnect() {
      document.removeEventListener("click", this.outside);
      this.element.removeEventListener("keydown", this.escape);
      this.element.removeEventListener("focusout", this.left);
    }

    close(focus = false) {
      this.element.open = false;
      if (focus) this.element.querySelector("summary").focus();
    }
  });

  // The picture just chosen, before it is sent.
  application.register("preview", class extends Controller {
    static targets = ["place"];

    show(event) {
      const [file] = event.target.files;
      if (!file || !file.type.startsWith("image/")) return;
      const image = new Image(96, 96);
      image.className = "avatar rounded-circle face-xl";
      image.alt = "";
      image.src = URL.createObjectURL(file);
      image.onload = () => {
        URL.revokeObjectURL(image.src);
        this.placeTarget.replaceChildren(image);
      };
    }
  });

  // Files are sent in the background: the page tells how far they are, takes dropped ones, and stays when they are refused.
  application.register("upload", class extends Controller {
    static targets = ["field", "button", "problem", "progress", "percent", "hint"];
    static values = { failed: String, bytes: Number, files: Number };

    connect() {
      this.hintTarget.hidden = false;
    }

    over(event) {
      event.preventDefault();
      this.element.classList.add("is-over");
    }

    leave() {
      this.element.classList.remove("is-over");
    }

    drop(event) {
      event.preventDefault();
      this.leave();
      if (this.request || !event.dataTransfer.files.length) return;
      this.fieldTarget.files = event.dataTransfer.files;
      this.send();
    }

    submit(event) {
      if (!this.fieldTarget.files.length) return;
      event.preventDefault();
      if (!this.request) this.send();
    }

    send() {
      const files = [...this.fieldTarget.files];
      if (files.length > this.filesValue || files.some((file) => file.size > this.bytesValue)) {
        this.refuse(this.hintTarget.previousSibling.textContent); // rather than sent in vain
        return;
      }
      this.request = new XMLHttpRequest();
      this.request.open("POST", this.element.action);
      this.request.setRequestHeader("X-Background", "1"); // the notice waits for the page that a person sees
      this.request.upload.onprogress = ({ loaded, total }) => this.show(Math.floor((loaded / total) * 100));
      this.request.onload = () => this.answered();
      this.request.onerror = () => this.refuse(this.failedValue);
      this.request.send(new FormData(this.element));
      this.show(0);
    }

    show(percent) {
      this.problemTarget.textContent = "";
      this.buttonTarget.disabled = true;
      this.progressTarget.hidden = false;
      this.progressTarget.querySelector("progress").value = percent;
      this.percentTarget.textContent = `${percent} %`;
    }

    answered() {
      if (this.request.status < 400) {
        this.element.reset(); // so that going back does not show what was sent
        window.location.assign(this.request.responseURL);
        return;
      }
      const page = new DOMParser().parseFromString(this.request.responseText, "text/html");
      const said = page.querySelector("#files-error:not(:empty)") ?? page.querySelector("main p");
      this.refuse(said?.textContent.trim() || this.failedValue);
    }

    refuse(sentence) {
      this.request = null;
      this.progressTarget.hidden = true;
      this.buttonTarget.disabled = false;
      this.problemTarget.textContent = sentence;
      this.fieldTarget.classList.add("is-invalid");
      this.fieldTarget.setAttribute("aria-invalid", "true");
    }
  });

  // A theme just chosen shows at once; it is kept when the form is sent.
  application.register("theme", class extends Controller {
    show(event) {
      const theme = event.target.value;
      if (theme === "system") document.documentElement.removeAttribute("data-bs-theme");
      else document.documentElement.setAttribute("data-bs-theme", theme);
    }
  });

  // What takes longer than a moment says so on its button, and is not sent twice.
  application.register("busy", class extends Controller {
    static values = { words: String };

    wait(event) {
      if (this.sent) event.preventDefault();
      this.sent = true;
      const button = this.element.querySelector("button");
      const words = [...button.childNodes];
      setTimeout(() => button.replaceChildren(this.wordsValue), 300);
      setTimeout(() => { this.sent = false; button.replaceChildren(...words); }, 30000); // stopped, or come back to
    }
  });

  // A notice: said aloud, gone after ten seconds unless somebody is at it, taken back by Ctrl+Z.
  application.register("toast", class extends Controller {
    static targets = ["undo", "close"];

    connect() {
      this.closeTarget.hidden = false;
      const said = this.element.querySelector(".toast-words").textContent;
      setTimeout(() => { document.getElementById("said").textContent += ` ${said}`; }, 100);
      this.keys = (event) => this.undoByKey(event);
      document.addEventListener("keydown", this.keys);
      this.wait();
    }

    disconnect() {
      clearTimeout(this.timer);
      document.removeEventListener("keydown", this.keys);
    }

    wait() {
      this.timer = setTimeout(() => this.isWatched() ? this.wait() : this.close(), 10000);
    }

    isWatched() {
      return this.element.matches(":hover, :focus-within");
    }

    undoByKey(event) {
      const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
      const asked = event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
      if (!asked || typing || event.defaultPrevented || !this.hasUndoTarget) return;
      event.preventDefault();
      this.undoTarget.requestSubmit();
    }

    close() {
      this.element.remove();
    }
  });

  // What the person changed elsewhere is seen here: asked every few seconds while the page is looked at, and at once
  // when another tab of this browser says so. A part somebody is typing in is left alone.
  application.register("live", class extends Controller {
    static values = { url: String, stamp: String };

    connect() {
      this.look = () => { if (!document.hidden) this.ask(); };
      this.timer = setInterval(this.look, 4000);
      document.addEventListener("visibilitychange", this.look);
      window.addEventListener("pageshow", this.look);
      if (!("BroadcastChannel" in window)) return;
      this.tabs = new BroadcastChannel("timetracker");
      this.tabs.onmessage = ({ data }) => { if (data !== this.stampValue) this.ask(); };
      this.tabs.postMessage(this.stampValue);
    }

    disconnect() {
      clearInterval(this.timer);
      document.removeEventListener("visibilitychange", this.look);
      window.removeEventListener("pageshow", this.look);
      this.tabs?.close();
    }

    async ask() {
      if (this.asking) return;
      this.asking = true;
      try {
        const answer = await this.fetched(this.urlValue, { "If-None-Match": `"${this.stampValue}"` });
        if (answer.status === 200) await this.renew((await answer.json()).stamp);
        if (answer.type === "opaqueredirect") clearInterval(this.timer); // signed out elsewhere
        this.exchangeWaiting();
      } catch {
        // The server or the network is away; the next time tells.
      } finally {
        this.asking = false;
      }
    }

    async renew(stamp) {
      if (stamp.split(".")[0] !== this.stampValue.split(".")[0]) return window.location.reload(); // somebody else signed in
      const answer = await this.fetched(window.location.href);
      if (answer.status === 200) this.take(new DOMParser().parseFromString(await answer.text(), "text/html"));
      this.stampValue = stamp;
    }

    take(page) {
      this.waiting = new Map();
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        if (fresh) this.waiting.set(part, fresh);
      }
      document.getElementById("favicon").href = page.getElementById("favicon").href;
      this.exchangeWaiting();
    }

    // A part somebody is typing in waits until they are done.
    exchangeWaiting() {
      for (const [part, fresh] of this.waiting ?? []) {
        if (isBeingTypedIn(part)) continue;
        this.waiting.delete(part);
        exchange(part, fresh);
      }
    }

    fetched(address, headers = {}) {
      const background = { "X-Background": "1", ...headers };
      return fetch(address, { headers: background, cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(10000) });
    }
  });

  const isBeingTypedIn = (part) =>
    part.querySelector("details[open]") !== null ||
    [...part.querySelectorAll("input:not([type=hidden]), textarea, select")].some((field) => isChanged(field));

  const isChanged = (field) => {
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    if (field.tagName === "SELECT") return [...field.options].some((option) => option.selected !== option.defaultSelected && option.index > 0);
    return field.value !== field.defaultValue;
  };

  // The new part in the place of the old; who stood on a link or button stands on the same one again.
  const exchange = (part, fresh) => {
    const stops = (element) => [...element.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary")];
    const before = stops(part);
    const place = before.indexOf(document.activeElement);
    const name = place >= 0 ? nameOf(before[place]) : "";
    part.replaceChildren(...fresh.childNodes);
    if (place < 0) return;
    const same = stops(part).find((stop) => nameOf(stop) === name);
    (same ?? part.querySelector("a, button"))?.focus({ preventScroll: true });
  };

  // What a link or button is, wherever it stands: where it leads, and for which entry.
  const nameOf = (stop) =>
    [stop.tagName, stop.name, stop.getAttribute("href"), stop.form?.getAttribute("action"), stop.form?.elements.entry?.value].join(" ");

  // One line for anything: what it is taken for, and what it may go on with, while it is typed. In a dialog, `n` opens it.
  application.register("line", class extends Controller {
    static targets = ["field", "list", "understood"];
    static values = { understood: String, completions: String };

    connect() {
      if (this.element.tagName !== "DIALOG") return;
      this.open = (event) => { if (event.target.closest?.("[data-line-open]")) this.show(event); };
      this.key = (event) => { if (event.key === "n" && isForPage(event)) this.show(event); };
      this.outside = (event) => { if (event.target === this.element) this.element.close(); };
      document.addEventListener("click", this.open);
      document.addEventListener("keydown", this.key);
      this.element.addEventListener("click", this.outside);
    }

    disconnect() {
      document.removeEventListener("click", this.open);
      document.removeEventListener("keydown", this.key);
    }

    show(event) {
      event.preventDefault();
      if (!this.element.open) this.element.showModal();
      this.fieldTarget.focus();
    }

    async typed() {
      this.asking?.abort();
      this.asking = new AbortController();
      const line = this.fieldTarget.value;
      const asked = new URLSearchParams({ line, caret: pointsOf(line.slice(0, this.fieldTarget.selectionStart)) });
      const ask = (address) => fetch(`${address}?${asked}`, { headers: { "X-Background": "1" }, signal: this.asking.signal });
      try {
        const answers = await Promise.all([ask(this.understoodValue), ask(this.completionsValue)]);
        if (answers.some((answer) => !answer.ok || answer.redirected)) return;
        this.understoodTarget.innerHTML = await answers[0].text(); // ours, and escaped there
        this.offer(await answers[1].json());
      } catch {
        // Typed on meanwhile, or the server is away: the line itself is all that is needed.
      }
    }

    offer(found) {
      this.found = found;
      this.chosen = -1;
      this.listTarget.replaceChildren(...found.map((one, place) => this.option(one, place)));
      this.listTarget.hidden = !found.length;
      this.fieldTarget.setAttribute("aria-expanded", String(found.length > 0));
      this.fieldTarget.removeAttribute("aria-activedescendant");
    }

    option(one, place) {
      const item = document.createElement("li");
      item.role = "option";
      item.id = `${this.listTarget.id}-${place}`;
      item.textContent = one.shown;
      const more = document.createElement("small");
      more.textContent = one.more;
      item.append(more);
      item.addEventListener("mousedown", (event) => { event.preventDefault(); this.take(place); });
      return item;
    }

    pressed(event) {
      const moves = { ArrowDown: 1, ArrowUp: -1 };
      if (event.isComposing || this.listTarget.hidden) return;
      if (event.key in moves) this.choose(this.chosen + moves[event.key]);
      else if ((event.key === "Enter" || event.key === "Tab") && this.chosen >= 0) this.take(this.chosen);
      else if (event.key === "Escape") this.offer([]);
      else return;
      event.preventDefault();
    }

    choose(place) {
      const items = [...this.listTarget.children];
      this.chosen = (place + items.length) % items.length;
      items.forEach((item, number) => item.setAttribute("aria-selected", String(number === this.chosen)));
      this.fieldTarget.setAttribute("aria-activedescendant", items[this.chosen].id);
      items[this.chosen].scrollIntoView({ block: "nearest" });
    }

    take(place) {
      const { start, end, text } = this.found[place];
      this.fieldTarget.setRangeText(`${text} `, this.unitsTo(start), this.unitsTo(end), "end");
      this.offer([]);
      this.typed();
    }

    // What was taken wrongly is selected, to be typed anew.
    mend({ currentTarget: chip }) {
      this.fieldTarget.focus();
      this.fieldTarget.setSelectionRange(this.unitsTo(Number(chip.dataset.start)), this.unitsTo(Number(chip.dataset.end)));
    }

    unitsTo(points) {
      return [...this.fieldTarget.value].slice(0, points).join("").length;
    }
  });

  // The server counts characters; a browser counts an emoji as two.
  const pointsOf = (text) => [...text].length;

  const isForPage = (event) =>
    !event.defaultPrevented && !event.ctrlKey && !event.metaKey && !event.altKey && !event.isComposing &&
    !event.target.closest?.("input, textarea, select, [contenteditable], dialog[open]");

  // A refused form: the first field to mend has the focus.
  document.querySelector("[aria-invalid='true']")?.focus();

  // A text to copy: selected whole on focus, and a button where scripts may copy.
  application.register("copy", class extends Controller {
    static targets = ["text", "button"];

    connect() {
      this.buttonTarget.hidden = false;
    }

    select() {
      this.textTarget.select();
    }

    async copy() {
      this.select();
      if (navigator.clipboard) await navigator.clipboard.writeText(this.textTarget.value);
      else document.execCommand("copy"); // plain http has no clipboard of its own
      this.buttonTarget.textContent = this.buttonTarget.dataset.done;
    }
  });
})();
