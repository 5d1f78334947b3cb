"""The vocabulary of events: types, and which columns belong to the item of a list."""

EVENT_TYPES = (
    "page_view",
    "item_view",
    "search",
    "add_to_cart",
    "remove_from_cart",
    "favourite",
    "checkout",
    "purchase",
    "refund",
    "review",
    "share",
    "impression",
    "click",
    "engagement",
)
"""Every event type there is; a literal that a source maps to none of them is a reject `unknown_event_type`.

engagement: the visitor was there and did none of the others: scrolled, signed in, stayed on the page."""

USER = ("site_id", "user_id_kind", "user_id")
"""The columns that name a user."""

UNKNOWN_USER = "*"
"""The user_id, with user_id_kind `unknown`, under which the list for unknown users is published."""

VISITOR_BUCKETS = 256
"""visitor_bucket = hash of site and visitor modulo this: it leads the shuffle and the order of rows on disk."""
