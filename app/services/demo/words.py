"""What the company's clients, projects and pieces of work are called, in English and in German."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """`projects` are names with their tasks, `internal` ones have no client and are not billable.

    `phrases` are what people write of a task; `{client}` and `{thing}` stand for words of the moment. Some of each
    task's do without a client.
    """

    clients: tuple[str, ...]
    projects: tuple[tuple[str, tuple[str, ...]], ...]
    internal: tuple[tuple[str, tuple[str, ...]], ...]
    phrases: dict[str, tuple[str, ...]]
    things: tuple[str, ...]
    tags: tuple[str, ...]
    loose: tuple[str, ...]  # said of time that is on no project


GIVEN_NAMES = (
    "Anna", "Ben", "Clara", "David", "Elif", "Felix", "Grace", "Hannah", "Ivo", "Julia", "Karim", "Lena",
    "Marek", "Nora", "Oskar", "Paula", "Quentin", "Rosa", "Samir", "Thea", "Umut", "Vera", "Wim", "Zoë",
)  # fmt: skip
SURNAMES = (
    "Albrecht", "Bauer", "Costa", "Dahl", "Eriksen", "Fischer", "Garcia", "Haas", "Ivanova", "Jensen", "Kaya", "Lang",
    "Martin", "Nowak", "Osei", "Petit", "Quist", "Rossi", "Schmidt", "Taylor", "Ueda", "Vogel", "Wright", "Zhang",
)  # fmt: skip

ENGLISH = Words(
    clients=(
        "Northwind Trading", "Bluebird Bakery", "Harbour Dental", "Kestrel Logistics", "Oak & Iron", "Lumen Energy",
        "Fern Hill School", "Marlow Books", "Stone Bridge Hotel", "Pixel & Pine", "Riverside Clinic", "Copper Kettle",
        "Tidewater Sailing", "Granite Legal", "Meadow Farm Shop", "Violet Theatre",
    ),
    projects=(
        ("Website relaunch", ("Design", "Development", "Testing", "Meetings", "Writing")),
        ("Online shop", ("Development", "Testing", "Support", "Meetings")),
        ("Brand and logo", ("Design", "Research", "Meetings")),
        ("Hosting and care", ("Support", "Development")),
        ("Booking system", ("Research", "Design", "Development", "Testing")),
        ("Newsletter", ("Writing", "Design")),
        ("Customer portal", ("Development", "Testing", "Support", "Meetings")),
        ("Data migration", ("Research", "Development", "Testing")),
        ("Accessibility audit", ("Testing", "Writing", "Meetings")),
        ("Mobile app", ("Design", "Development", "Testing", "Meetings")),
        ("Intranet", ("Development", "Support", "Writing")),
        ("Trade fair", ("Design", "Writing", "Meetings")),
    ),
    internal=(
        ("Internal", ("Administration", "Meetings", "Learning")),
        ("Own website", ("Design", "Writing", "Development")),
        ("Hiring", ("Meetings", "Administration")),
    ),
    phrases={
        "Design": (
            "Sketch the {thing}", "Second draft of the {thing}", "Icons for the {thing}", "Colours and type",
            "Layout for small screens", "Feedback from {client} worked in", "Pictures for the {thing}",
        ),
        "Development": (
            "Fix login redirect", "Build the {thing}", "Clean up the {thing}", "Review a colleague's changes",
            "Slow query in the {thing}", "Upgrade dependencies", "Deploy to staging", "Release", "Export as CSV",
            "Time zone bug in the {thing}", "Write tests for the {thing}",
        ),
        "Testing": (
            "Test the {thing} on phones", "Retest what was fixed", "Go through the {thing} with a screen reader",
            "Find out why the {thing} fails", "Test plan",
        ),
        "Meetings": (
            "Call with {client} about invoice", "Weekly with {client}", "Kick-off", "Show {client} the {thing}",
            "Retrospective", "Agree on the {thing} with {client}", "Stand-up", "Plan the next two weeks",
        ),
        "Support": (
            "Answer {client}'s mails", "Restore a backup for {client}", "Certificate renewed", "Help with the {thing}",
            "Look into an outage", "New account for {client}",
        ),
        "Writing": ("Copy for the {thing}", "Proofread", "Handbook: the {thing}", "Offer for {client}", "Minutes"),
        "Research": ("Interviews", "Compare tools for the {thing}", "How others do the {thing}", "Read up on the law"),
        "Administration": ("Invoices", "Mail", "Bookkeeping", "Read applications", "Order hardware", "Holiday plan"),
        "Learning": ("Conference talk", "Book on typography", "Course", "Try a new tool"),
    },
    things=(
        "checkout", "search", "start page", "sign-up form", "calendar", "price list", "product page", "footer",
        "contact form", "navigation", "dashboard", "upload", "map", "order mail", "gallery", "settings page",
    ),
    tags=("urgent", "on site", "remote", "workshop", "overtime", "warranty", "pairing", "bug", "idea"),
    loose=("Mail", "Tidy up", "Coffee with a friend of the house", "Train ride", ""),
)  # fmt: skip

GERMAN = Words(
    clients=(
        "Nordlicht Reederei", "Bäckerei Lindner", "Praxis Dr. Sommer", "Falke Logistik", "Eiche & Eisen",
        "Lumen Energie",
        "Waldschule", "Buchhandlung Marlow", "Hotel Steinbrücke", "Pixel & Pinie", "Klinik am Fluss", "Kupferkessel",
        "Segelschule Flut", "Kanzlei Granit", "Hofladen Wiese", "Theater Violett",
    ),
    projects=(
        ("Neue Website", ("Gestaltung", "Entwicklung", "Test", "Besprechung", "Text")),
        ("Onlineshop", ("Entwicklung", "Test", "Betreuung", "Besprechung")),
        ("Marke und Logo", ("Gestaltung", "Recherche", "Besprechung")),
        ("Hosting und Pflege", ("Betreuung", "Entwicklung")),
        ("Buchungssystem", ("Recherche", "Gestaltung", "Entwicklung", "Test")),
        ("Newsletter", ("Text", "Gestaltung")),
        ("Kundenportal", ("Entwicklung", "Test", "Betreuung", "Besprechung")),
        ("Datenübernahme", ("Recherche", "Entwicklung", "Test")),
        ("Barrierefreiheit", ("Test", "Text", "Besprechung")),
        ("App", ("Gestaltung", "Entwicklung", "Test", "Besprechung")),
        ("Intranet", ("Entwicklung", "Betreuung", "Text")),
        ("Messeauftritt", ("Gestaltung", "Text", "Besprechung")),
    ),
    internal=(
        ("Intern", ("Verwaltung", "Besprechung", "Fortbildung")),
        ("Eigene Website", ("Gestaltung", "Text", "Entwicklung")),
        ("Bewerbungen", ("Besprechung", "Verwaltung")),
    ),
    phrases={
        "Gestaltung": (
            "Skizze: {thing}", "Zweiter Entwurf: {thing}", "Symbole: {thing}", "Farben und Schrift",
            "Layout für kleine Bildschirme", "Wünsche von {client} eingearbeitet", "Bilder: {thing}",
        ),
        "Entwicklung": (
            "Weiterleitung nach der Anmeldung repariert", "{thing} gebaut", "{thing} aufgeräumt",
            "Änderungen von Kollegen geprüft", "Langsame Abfrage: {thing}", "Abhängigkeiten erneuert",
            "Auf die Testumgebung gebracht", "Veröffentlichung", "CSV-Export", "Zeitzonenfehler: {thing}",
            "Tests geschrieben: {thing}",
        ),
        "Test": (
            "{thing} auf Telefonen getestet", "Behobenes nachgetestet", "{thing} mit dem Vorleseprogramm",
            "Fehlersuche: {thing}", "Testplan",
        ),
        "Besprechung": (
            "Telefonat mit {client} wegen Rechnung", "Wochentermin {client}", "Auftakt", "{client} gezeigt: {thing}",
            "Rückblick", "Mit {client} abgestimmt: {thing}", "Morgenrunde", "Die nächsten zwei Wochen geplant",
        ),
        "Betreuung": (
            "Mails von {client} beantwortet", "Sicherung für {client} eingespielt", "Zertifikat erneuert",
            "Hilfe: {thing}", "Ausfall untersucht", "Neues Konto für {client}",
        ),
        "Text": ("Text: {thing}", "Korrektur gelesen", "Handbuch: {thing}", "Angebot für {client}", "Protokoll"),
        "Recherche": ("Gespräche mit Nutzern", "Werkzeuge verglichen: {thing}", "Vorbilder: {thing}", "Rechtslage"),
        "Verwaltung": ("Rechnungen", "Post", "Buchhaltung", "Bewerbungen gelesen", "Geräte bestellt", "Urlaubsplan"),
        "Fortbildung": ("Konferenzvortrag", "Buch über Typografie", "Kurs", "Neues Werkzeug ausprobiert"),
    },
    things=(
        "Kasse", "Suche", "Startseite", "Registrierung", "Kalender", "Preisliste", "Produktseite", "Fußzeile",
        "Kontaktformular", "Navigation", "Übersicht", "Upload", "Karte", "Bestellmail", "Galerie", "Einstellungen",
    ),
    tags=("dringend", "vor Ort", "unterwegs", "Workshop", "Überstunden", "Kulanz", "zu zweit", "Fehler", "Idee"),
    loose=("Mails", "Aufgeräumt", "Kaffee mit einem Freund des Hauses", "Bahnfahrt", ""),
)  # fmt: skip

LANGUAGES = {"en": ENGLISH, "de": GERMAN}
