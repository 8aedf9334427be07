"""X-Ray: which product should a seller be compared with? Four decisions, each with its reasons.

No language model and no keys: the keywords come from a table, the products are made up. Needs
`pip install "flujo-otel[xray]"`.

    python examples/competitor_selection.py
"""

import random
import time
from typing import Any

from flujo_otel import XRay

PRODUCT = {"asin": "B0SELLER", "title": "Steel Water Bottle 32oz, Insulated", "price": 29.99}
REFERENCE = {"rating": 4.2, "reviews": 1247}
MAKERS = ("Hydra", "Iron", "Thermo", "Polar", "Summit", "Brook")
KINDS = ("Bottle 32oz", "Flask 24oz", "Tumbler", "Bottle Brush", "Bottle 40oz", "Replacement Lid")


def catalogue() -> list[dict[str, Any]]:
    """Fifty products, the same every time."""
    made = random.Random(2026)
    return [
        {
            "asin": f"B0C{number:04}",
            "title": f"{made.choice(MAKERS)} {made.choice(KINDS)}",
            "price": round(made.uniform(4, 75), 2),
            "rating": round(made.uniform(2.9, 4.9), 1),
            "reviews": int(made.paretovariate(0.8) * 20),
        }
        for number in range(50)
    ]


def verdicts(product: dict[str, Any]) -> list[dict[str, Any]]:
    """What each filter says of a product."""
    low, high = PRODUCT["price"] * 0.5, PRODUCT["price"] * 2
    title, price = product["title"], product["price"]
    rating, reviews = product["rating"], product["reviews"]
    return [
        {
            "name": "price_range",
            "passed": low <= price <= high,
            "detail": f"${price:.2f}, where ${low:.2f} to ${high:.2f} will do",
        },
        {"name": "min_rating", "passed": rating >= 3.8, "detail": f"{rating}, where 3.8 will do"},
        {"name": "min_reviews", "passed": reviews >= 40, "detail": f"{reviews}, where 40 will do"},
        {
            "name": "not_an_accessory",
            "passed": not title.endswith(("Brush", "Lid")),
            "detail": title,
        },
    ]


def score(product: dict[str, Any]) -> float:
    """How like the seller's product it is, and how well it sells."""
    price = 1 - abs(product["price"] - PRODUCT["price"]) / PRODUCT["price"]
    rating = 1 - abs(product["rating"] - REFERENCE["rating"]) / 5
    reviews = min(product["reviews"] / REFERENCE["reviews"], 1)
    return round(0.4 * price + 0.25 * rating + 0.35 * reviews, 3)


def run_pipeline() -> str:
    """Run it once; the id of its trace."""
    xray = XRay()
    with xray.trace("competitor-selection") as trace:
        trace.set_metadata({"asin": PRODUCT["asin"], "marketplace": "com"})

        with trace.step("keyword_generation") as step:
            step.set_input({"product_title": PRODUCT["title"]})
            time.sleep(0.12)
            keywords = ["steel water bottle insulated", "vacuum flask 32oz"]
            step.add_llm_metadata(
                model="gpt-4o-mini",
                temperature=0.2,
                provider="openai",
                input_tokens=86,
                output_tokens=24,
            )
            step.set_output({"keywords": keywords})
            step.set_reasoning("Material and capacity narrow a search most; the colour does not.")

        with trace.step("candidate_search") as step:
            step.set_input({"keywords": keywords, "limit": 50})
            time.sleep(0.06)
            candidates = catalogue()
            step.set_output({"found": 2847, "candidates": [each["asin"] for each in candidates]})
            step.set_reasoning(f"The first {len(candidates)} of 2,847 results, by relevance.")

        with trace.step("apply_filters") as step:
            step.set_input({"candidates": len(candidates), "reference": PRODUCT})
            kept = []
            for product in candidates:
                said = verdicts(product)
                qualified = all(each["passed"] for each in said)
                step.add_evaluation(product["asin"], product, said, qualified)
                if qualified:
                    kept.append(product)
            time.sleep(0.03)
            step.set_output({"kept": [each["asin"] for each in kept]})
            step.set_reasoning(f"{len(kept)} of {len(candidates)} can be compared with it.")

        with trace.step("rank_and_select") as step:
            step.set_input({"candidates": [each["asin"] for each in kept]})
            ranked = sorted(kept, key=score, reverse=True)
            for product in ranked:
                reason = f"${product['price']:.2f}, {product['rating']} stars"
                reason += f" from {product['reviews']:,} reviews"
                step.add_ranking(product["asin"], score(product), reason, item_data=product)
            time.sleep(0.02)
            step.set_output({"selected": ranked[0]["asin"]})
            step.set_reasoning(f"{ranked[0]['title']} is nearest in price and sells best.")
    xray.close()
    return trace.trace.trace_id


if __name__ == "__main__":
    from picture import lens

    trace_id = run_pipeline()
    lens("trace", trace_id)
    lens("show", trace_id, "--step", "apply_filters")
