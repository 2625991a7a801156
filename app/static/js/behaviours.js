// Small behaviours, each bound by data-controller. Every page works without them.
"use strict";

(() => {
  const { Application, Controller } = window.Stimulus;
  const application = Application.start();

  // The ticking clock of a running timer, by the server's time: the browser's own may be wrong.
  application.register("clock", class extends Controller {
    static values = { start: Number, now: Number };

    connect() {
      this.ahead = Date.now() / 1000 - this.nowValue;
      this.timer = setInterval(() => this.show(), 1000);
    }

    disconnect() {
      clearInterval(this.timer);
    }

    show() {
      const seconds = Math.max(0, Math.floor(Date.now() / 1000 - this.ahead - this.startValue));
      const two = (number) => String(number).padStart(2, "0");
      this.element.textContent = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
    }
  });

  // A menu in <details> closes on Escape, and when the person turns elsewhere.
  application.register("menu", class extends Controller {
    connect() {
      this.outside = (event) => this.element.contains(event.target) || this.close();
      this.escape = (event) => event.key === "Escape" && this.element.open && this.close(true);
      document.addEventListener("click", this.outside);
      this.element.addEventListener("keydown", this.escape);
    }

    disconnect() {
      document.removeEventListener("click", this.outside);
      this.element.removeEventListener("keydown", this.escape);
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
