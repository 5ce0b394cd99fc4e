"""Assortment: what the simulated shop sells, in both its languages, and the names of visitors."""

from typing import Any, Final

KINDS: Final = (
    ("jackets", "Regenjacke", "Rain jacket", 119.0),
    ("jackets", "Wollmantel", "Wool coat", 249.0),
    ("jumpers", "Strickpullover", "Knitted jumper", 79.9),
    ("jumpers", "Kapuzenpullover", "Hoodie", 59.9),
    ("dresses", "Sommerkleid", "Summer dress", 69.9),
    ("dresses", "Leinenrock", "Linen skirt", 54.5),
    ("shoes", "Wanderschuhe", "Hiking boots", 159.0),
    ("shoes", "Turnschuhe", "Trainers", 89.9),
    ("shoes", "Sandalen", "Sandals", 49.9),
    ("bags", "Umhängetasche", "Shoulder bag", 64.0),
    ("bags", "Rucksack", "Backpack", 94.5),
    ("kitchen", "Teekanne", "Teapot", 38.5),
    ("kitchen", "Brotkasten", "Bread bin", 44.9),
    ("kitchen", "Gusspfanne", "Cast-iron pan", 72.0),
    ("living", "Tischleuchte", "Table lamp", 84.9),
    ("living", "Wolldecke", "Wool blanket", 99.0),
    ("living", "Kerzenständer", "Candle holder", 24.9),
    ("garden", "Gießkanne", "Watering can", 29.9),
    ("garden", "Hängematte", "Hammock", 109.0),
    ("garden", "Blumenkasten", "Window box", 34.5),
)
"""Category, kind in German, kind in English, price in the middle."""
LINES: Final = (
    "Alma", "Birk", "Cleo", "Dune", "Elin", "Fjord", "Gro", "Hygge", "Ilva", "Juna", "Kaja", "Lio",
)  # fmt: skip

FIRST_NAMES: Final = (
    ("Anna", "Frau"), ("Britta", "Frau"), ("Ayşe", "Frau"), ("Clara", "Frau"), ("Dilek", "Frau"),
    ("Elena", "Frau"), ("Franziska", "Frau"), ("Greta", "Frau"), ("Jana", "Frau"), ("Ruth", "Frau"),
    ("Ali", "Herr"), ("Bernd", "Herr"), ("Emil", "Herr"), ("Georg", "Herr"), ("Jonas", "Herr"),
    ("Karim", "Herr"), ("Lukas", "Herr"), ("Oskar", "Herr"), ("Piotr", "Herr"), ("Theo", "Herr"),
    ("Kim", ""), ("Robin", ""),
)  # fmt: skip
"""With the form of address; empty where none was given."""
FAMILY_NAMES: Final = (
    "Müller", "Schmidt", "Demir", "Weber", "Nowak", "Becker", "Schäfer", "Koch", "Richter",
    "Wolf", "Schröder", "Neumann", "Kaya", "Zimmermann", "Krüger", "Hofmann", "Lange", "Öztürk",
    "Großmann", "Köhler", "Peters", "Vogel", "Winter", "Sommer",
)  # fmt: skip


def _products(language: str) -> list[dict[str, Any]]:
    products = []
    for i, (category, german, english, price) in enumerate(KINDS):
        for j, line in enumerate(LINES):
            product_id = f"p-{i * len(LINES) + j:03d}"
            products.append(
                {
                    "product_id": product_id,
                    "name": f"{german if language == 'de' else english} {line}",
                    "category": category,
                    "price": round(price * (0.8 + 0.04 * j), 2),
                    "url": f"https://shop.example/{language}/{product_id}",
                }
            )
    # A stride without a common divisor: the popular ones at the front are of all categories.
    return [products[k * 77 % len(products)] for k in range(len(products))]


PRODUCTS: Final = {language: _products(language) for language in ("de", "en")}
"""Payloads of product views by language, the popular first."""
