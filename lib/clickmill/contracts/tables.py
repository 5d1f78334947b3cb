"""Every table of the river, by name. Schemas stand in schemas/, rules in expectations/, under the same name."""

from clickmill.contracts.table import Table

RAW_EVENTS = Table(
    "raw.events",
    ("source", "landing_date", "file", "delivery_id", "block", "ordinal", "item_pos"),
    "landing_date",
    "append",
    belongs="event_date",
)
RAW_ITEMS = Table("raw.items", ("source", "landing_date", "file", "delivery_id", "block", "ordinal"), "landing_date", "append")
RAW_USERS = Table("raw.users", ("source", "landing_date", "file", "delivery_id", "block", "ordinal"), "landing_date", "append")
RAW_FILES = Table("raw.files", ("source", "landing_date", "file", "delivery_id"), "landing_date", "append")
RAW_ITEM_FILES = Table("raw.item_files", ("source", "landing_date", "file", "delivery_id"), "landing_date", "append")
RAW_USER_FILES = Table("raw.user_files", ("source", "landing_date", "file", "delivery_id"), "landing_date", "append")

ITEMS = Table("clean.items", ("site_id", "item_id", "valid_from", "known_from"), "landing_date")
USERS = Table("clean.users", ("site_id", "user_id", "valid_from", "known_from"), "landing_date")
VALUE_RANGES = Table("clean.value_ranges", ("site_id", "event_date", "event_type", "currency", "measure"))
BOTS = Table("clean.bots", ("site_id", "event_date", "visitor_id"))
EVENTS = Table("clean.events", ("event_date", "event_id", "item_pos"))
REJECTS = Table("clean.rejects", ("source", "landing_date", "file", "delivery_id", "block", "ordinal", "item_pos"))
OPEN_SESSIONS = Table("clean.open_sessions", ("event_date", "event_id", "item_pos", "payload_hash"))
SESSIONS = Table("clean.sessions", ("session_id",))
KNOWN_EVENTS = Table("clean.known_events", ("known_date", "event_date", "event_id", "item_pos"), "known_date")
IDENTITIES = Table("clean.identities", ("site_id", "event_date", "visitor_id", "account_id"))

INTERACTIONS = Table("features.interactions", ("event_date", "site_id", "user_id", "user_id_kind", "item_id"))
OUTCOMES = Table("features.outcomes", ("known_date", "site_id", "kind", "shown_date", "shown_event_id", "shown_item_pos"), "known_date")
USER_DAYS = Table("features.user_days", ("known_date", "site_id", "user_id_kind", "user_id"), "known_date")
ITEM_DAYS = Table("features.item_days", ("known_date", "site_id", "item_id"), "known_date")
USER_ITEM_DAYS = Table("features.user_item_days", ("known_date", "site_id", "user_id_kind", "user_id", "item_id"), "known_date")
CTR_ROWS = Table("features.ctr_rows", ("known_date", "site_id", "event_date", "event_id", "item_pos"), "known_date")
PURCHASE_INTENT_ROWS = Table(
    "features.purchase_intent_rows", ("label_date", "site_id", "user_id_kind", "user_id", "category"), "label_date"
)

IDS = Table("models.ids", ("entity", "site_id", "user_id_kind", "source_id"), "first_date", "append")
VOCABULARIES = Table("models.vocabularies", ("vocabulary", "site_id", "value"), "first_date", "append")
EXPORTS = Table("models.exports", ("export_id",), "as_of_date", "last_day")
CTR_MODELS = Table("models.ctr_models", ("model_run_id",), "as_of_date", "last_day")
CTR_SCORES = Table("models.ctr_scores", ("model_run_id", "row_id"), "as_of_date", "last_day")
CTR_EVALUATIONS = Table("models.ctr_evaluations", ("as_of_date", "model_run_id", "site_id", "slice", "metric"), "as_of_date", "last_day")
ALS_FACTORS = Table("models.als_factors", ("as_of_date", "entity", "site_id", "user_id_kind", "source_id"), "as_of_date", "last_day")
CANDIDATES = Table("models.candidates", ("as_of_date", "site_id", "user_id_kind", "user_id", "source", "item_id"), "as_of_date", "last_day")
ITEM_NEIGHBOURS = Table("models.item_neighbours", ("as_of_date", "site_id", "item_id", "neighbour_rank"), "as_of_date", "last_day")
MODEL_RUNS = Table("models.runs", ("model_run_id",), "as_of_date", "last_day")
EVALUATIONS = Table("models.evaluations", ("as_of_date", "model_run_id", "site_id", "slice", "metric"), "as_of_date", "last_day")
USER_EVALUATIONS = Table(
    "models.user_evaluations", ("as_of_date", "model_run_id", "site_id", "user_id_kind", "user_id"), "as_of_date", "last_day"
)

RECOMMENDATIONS = Table(
    "publish.recommendations_v1", ("as_of_date", "site_id", "user_id_kind", "user_id", "rank"), "as_of_date", "last_day"
)
USERS_WITHOUT_LIST = Table("publish.users_without_list_v1", ("as_of_date", "site_id", "user_id_kind", "user_id"), "as_of_date", "last_day")

RUNS = Table("ops.runs", ("run_id", "started_at"), None, "append")
DAYS = Table("ops.days", ("table", "day", "version"), None, "append")
RELEASES = Table("ops.releases", ("number",), None, "append")

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Table))
BY_NAME = {table.name: table for table in ALL}
SERVED = tuple(table for table in ALL if table.is_served)
