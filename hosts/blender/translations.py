"""What the interface says in other languages; English is in the code, and what is missing here stays English.

Sentences with a reason, a path or a frame in them come from the engine and are not translated.
"""

from __future__ import annotations

import bpy

_EVERYWHERE, _OPERATOR = "*", "Operator"

GERMAN = {
    "Attribute Edit": "Attribute bearbeiten",
    "Attributes": "Attribute",
    "No attributes yet": "Noch keine Attribute",
    "Of Another Model...": "Eines anderen Modells ...",
    "Age": "Alter",
    "Smile": "Lächeln",
    "Mouth Open": "Mund offen",
    "Glasses": "Brille",
    "Beard": "Bart",
    "Moustache": "Schnurrbart",
    "Lipstick": "Lippenstift",
    "Inner Brows": "Innere Brauen",
    "Brows Down": "Brauen gesenkt",
    "Eyes Closed": "Augen geschlossen",
    "Skin Tone": "Hautton",
    "Grey Hair": "Graues Haar",
    "Light": "Licht",
    "Mask": "Maske",
    "Invert Mask": "Maske umkehren",
    "Mix": "Mischung",
    "Mask Feather": "Maskenrand",
    "Face": "Gesicht",
    "Model": "Modell",
    "Colour": "Farbe",
    "Composite": "Überlagerung",
    "Cache": "Zwischenspeicher",
    "Cache Folder": "Ordner der Ergebnisse",
    "Device": "Gerät",
    "Interpreter": "Interpreter",
    "Edit While Rendering": "Beim Rendern bearbeiten",
    "Inversion": "Inversion",
    "Seed": "Startwert",
    "Layer": "Ebene",
    "Colour Space": "Farbraum",
    "Exposure Gain": "Belichtungsfaktor",
    "Baked": "Berechnet",
    "baked": "berechnet",
    "To bake": "Zu berechnen",
    "Settings changed since": "Seither geändert",
    "Failed": "Fehlgeschlagen",
    "Frame": "Bild",
    "linked": "verbunden",
    "the socket was removed": "der Anschluss wurde entfernt",
    "Licence of the weights": "Lizenz der Gewichte",
    "known after the first bake": "nach dem ersten Berechnen bekannt",
    "Edited in": "Bearbeitet in",
    "working space": "Arbeitsfarbraum",
    "Save the file first: until then results end with this session.": (
        "Zuerst die Datei sichern: bis dahin enden die Ergebnisse mit dieser Sitzung."
    ),
    "Presets": "Vorgaben",
    "Older": "Älter",
    "Younger": "Jünger",
    "Gentle Smile": "Leises Lächeln",
    "Laugh": "Lachen",
    "Grey Beard": "Grauer Bart",
    "The engine is ready": "Der Rechenkern ist bereit",
    "The engine cannot work; see what to do:": "Der Rechenkern arbeitet nicht; das ist zu tun:",
    "It shows what was baked. Update the add-on to change it.": (
        "Er zeigt, was berechnet ist. Zum Ändern das Add-on aktualisieren."
    ),
    "A newer version of the add-on made this node ({}).": "Eine neuere Version des Add-ons hat ihn angelegt ({}).",
    "The node is linked from another file and can only be changed there.": (
        "Der Knoten ist aus einer anderen Datei verknüpft und nur dort zu ändern."
    ),
    "Edit the faces of people who agreed to it, and say that a picture was edited where it matters.": (
        "Bearbeite Gesichter nur mit Einverständnis, und sage, wo es zählt, dass ein Bild bearbeitet ist."
    ),
}

GERMAN_OPERATORS = {
    "Attribute Edit": "Attribute bearbeiten",
    "Add Attribute": "Attribut hinzufügen",
    "Remove Attribute": "Attribut entfernen",
    "Bake": "Berechnen",
    "Bake Frame": "Bild berechnen",
    "Cancel": "Abbrechen",
    "Clear": "Leeren",
    "Check Engine": "Rechenkern prüfen",
    "Open Log": "Protokoll öffnen",
    "Help": "Hilfe",
    "Load Preset": "Vorgabe laden",
    "Save Preset": "Vorgabe speichern",
    "Remove Preset": "Vorgabe entfernen",
}


def dictionary() -> dict[str, dict[tuple[str, str], str]]:
    """Language -> (context, English) -> text, as Blender wants it."""
    german = {(_EVERYWHERE, english): text for english, text in GERMAN.items()}
    german |= {(_OPERATOR, english): text for english, text in GERMAN_OPERATORS.items()}
    return {"de_DE": german}


def attach(package: str) -> None:
    """Hand the texts to Blender under the package's name."""
    bpy.app.translations.register(package, dictionary())


def detach(package: str) -> None:
    """Take them back."""
    bpy.app.translations.unregister(package)
