"""The sections of the config, one class each: which keys there are, and what each may be. conf/base.yaml says what they mean."""

import hashlib
import json
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator
from pyspark.sql.types import NumericType

from clickmill.contracts import given
from clickmill.contracts.days import HORIZON_DAYS, RATE_DAYS
from clickmill.contracts.events import EVENT_TYPES
from clickmill.contracts.tables import ALL, EVENTS, RAW_EVENTS
from clickmill.models.ctr_fields import VOCABULARIES

# The shortest day of a zone has 23 hours. A window that is no longer reaches over one midnight, never over two, so the
# state of a day comes from that day alone.
_SHORTEST_DAY_S = 82_800
Seconds = Annotated[int, Field(ge=0, le=_SHORTEST_DAY_S)]
Count = Annotated[int, Field(ge=1)]
EventType = Literal[EVENT_TYPES]  # type: ignore[valid-type]
Share = Annotated[float, Field(gt=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Lake(_Section):
    root: str
    catalog: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None
    keep_hours: Annotated[int, Field(ge=0)]
    keep_exports: Count

    @field_validator("root")
    @classmethod
    def _a_folder(cls, root: str) -> str:
        return given.folder(root)


class Shop(_Section):
    zone: str

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        if zone not in available_timezones():
            raise ValueError(f"{zone} is no time zone; expected a name such as Europe/London")
        return zone


class Landing(_Section):
    source: str | None
    path: str | None


class Run(_Section):
    slice_days: Count
    settle_days: Annotated[tuple[Count, ...], Field(min_length=1, strict=False)]
    makes: Annotated[tuple[str, ...], Field(strict=False)]
    log_folder: str

    @field_validator("makes")
    @classmethod
    def _tables(cls, makes: tuple[str, ...]) -> tuple[str, ...]:
        made = [table.name for table in ALL if table.layer != "ops"]
        unknown = [name for name in makes if name not in made]
        if unknown:
            raise ValueError(f"no job makes {unknown[0]}; there are {', '.join(made)}")
        return makes


class Clean(_Section):
    lateness_days: Annotated[int, Field(ge=0, le=60)]
    future_tolerance_s: Seconds
    copy_horizon_s: Seconds
    near_copy_s: Seconds
    order_copy_s: Seconds
    dwell_cap_s: Annotated[int, Field(ge=1)]
    range_days: Count
    range_min_rows: Count
    range_factor: Annotated[float, Field(gt=0)]
    fill: dict[str, int]

    @field_validator("fill")
    @classmethod
    def _numbers_of_events(cls, fill: dict[str, int]) -> dict[str, int]:
        typed = [field.name for field in EVENTS.schema.fields if isinstance(field.dataType, NumericType)]
        numbers = [name for name in typed if name in RAW_EVENTS.columns]
        if not set(fill) <= set(numbers):
            raise ValueError(f"expected columns of {EVENTS.name} that hold numbers: {', '.join(numbers)}")
        return fill

    @property
    def known_days(self) -> int:
        """Landing days before a day that may hold records of what became known on it: late ones, and copies of those known before."""
        return 2 * self.lateness_days + 1

    def clocks(self) -> dict[str, int]:
        """How late and how far in the future an event may be, as keyword arguments."""
        return {"lateness_days": self.lateness_days, "future_tolerance_s": self.future_tolerance_s}

    def windows(self) -> dict[str, int]:
        """The windows of copies and dwell, in seconds, as keyword arguments."""
        return {name: getattr(self, name) for name in ("dwell_cap_s", "copy_horizon_s", "near_copy_s", "order_copy_s")}


class Known(_Section):
    delay_s: Seconds


class Bots(_Section):
    min_events: Count
    rate_events: Count
    burst_events: Count
    regular_gap_share: Share
    active_hours: Annotated[int, Field(ge=1, le=24)]
    breadth_items: Count
    breadth_share: Share
    flood_events: Count


class Sessions(_Section):
    gap_s: Annotated[int, Field(ge=1, le=_SHORTEST_DAY_S)]


class Interactions(_Section):
    weights: dict[str, int]

    @field_validator("weights")
    @classmethod
    def _every_type(cls, weights: dict[str, int]) -> dict[str, int]:
        if set(weights) != set(EVENT_TYPES):
            raise ValueError(f"expected one whole number for each of {', '.join(EVENT_TYPES)}")
        return weights


class Als(_Section):
    feedback: Literal["implicit", "explicit"]
    rank: Count
    iterations: Count
    regularisation: Annotated[float, Field(ge=0)]
    alpha: Annotated[float, Field(ge=0)]
    seed: int


class ItemNeighbours(_Section):
    history_items: Count
    neighbours: Count


class Outcomes(_Section):
    shown: EventType
    answer: EventType
    answer_window_s: Annotated[int, Field(ge=1)]
    conversion_days: Count


class Rates(_Section):
    step_s: Annotated[int, Field(ge=1, le=86_400)]
    prior_answer_rate: Annotated[float, Field(gt=0, lt=1)]
    prior_conversion_rate: Annotated[float, Field(gt=0, lt=1)]
    prior_weight: Annotated[float, Field(gt=0)]

    @field_validator("step_s")
    @classmethod
    def _part_of_a_day(cls, step_s: int) -> int:
        if 86_400 % step_s:
            raise ValueError(f"{step_s} seconds do not divide a day")
        return step_s


class Ctr(_Section):
    vocabulary_min_rows: Count
    label_wait_days: Annotated[int, Field(ge=1, le=60)]


class Export(_Section):
    days: Count
    valid_days: Count
    test_days: Count
    unanswered_share: Share
    hash_buckets: dict[str, Count]
    group_rows: Count
    ranks: Count
    seed: int

    @field_validator("hash_buckets")
    @classmethod
    def _vocabularies(cls, hash_buckets: dict[str, int]) -> dict[str, int]:
        if not set(hash_buckets) <= set(VOCABULARIES):
            raise ValueError(f"expected some of {', '.join(VOCABULARIES)}")
        return hash_buckets


class Networks(_Section):
    trains: Annotated[tuple[Literal["logistic_regression", "wide_deep", "deepfm", "dcn_v2"], ...], Field(strict=False)]
    embedding_length: Count
    hidden: Annotated[tuple[Count, ...], Field(strict=False)]
    cross_layers: Annotated[int, Field(ge=0)]
    epochs: Count
    batch_rows: Count
    learning_rate: Annotated[float, Field(gt=0)]
    table_learning_rate: Annotated[float, Field(gt=0)]
    weight_decay: Annotated[float, Field(ge=0)]
    neutral_share: Annotated[float, Field(ge=0, le=1)]
    checkpoint_steps: Count
    start_timeout_s: Count


class Intent(_Section):
    within_days: Annotated[int, Field(ge=1, le=90)]


class Models(_Section):
    window_days: Count
    half_life_days: Count
    als: Als
    item_neighbours: ItemNeighbours
    max_broadcast_bytes: Count

    def params(self, model: str) -> dict[str, Any]:
        """All that a model depends on but its data."""
        of_all = {"window_days": self.window_days, "half_life_days": self.half_life_days}
        own: _Section = getattr(self, model)
        return of_all | own.model_dump(mode="json")


class Candidates(_Section):
    per_user: Count
    popular_days: Count


class Evaluation(_Section):
    test_days: Count
    min_users: Count


class Publish(_Section):
    list_length: Count
    excludes_bought: bool


class Releases(_Section):
    row_count_band: Annotated[float, Field(gt=1)]
    model_floor: Annotated[float, Field(ge=0, le=1)]
    keep: Count

    def floors(self) -> dict[str, float]:
        """What a release is held against, as keyword arguments."""
        return {"row_count_band": self.row_count_band, "model_floor": self.model_floor}


class Sections(_Section):
    """All sections together."""

    lake: Lake
    shop: Shop
    landing: Landing
    run: Run
    clean: Clean
    known: Known
    bots: Bots
    sessions: Sessions
    interactions: Interactions
    outcomes: Outcomes
    rates: Rates
    ctr: Ctr
    export: Export
    networks: Networks
    intent: Intent
    models: Models
    candidates: Candidates
    evaluation: Evaluation
    publish: Publish
    releases: Releases

    @property
    def outcome_days(self) -> int:
        """Days before an outcome became known in which what was shown became known, if it is within the windows."""
        one, day_s = self.outcomes, 86_400
        return one.conversion_days + -(-one.answer_window_s // day_s) + 2 * self.clean.lateness_days + 1

    @property
    def rate_days(self) -> int:
        """Days before an impression became known whose outcomes may be in its rates: it may have been shown long before."""
        return RATE_DAYS + self.clean.known_days + 1

    @property
    def past_days(self) -> int:
        """Days before an impression became known whose events may be in its past: it may have been shown long before."""
        return HORIZON_DAYS + self.clean.known_days + 1

    @property
    def intent_days(self) -> int:
        """Days before a label is final that its row looks back: those of the label, and those before them."""
        return self.intent.within_days + HORIZON_DAYS

    def hash_of(self, *sections: str) -> str:
        """Hash of the named sections: what a job's result depends on, and nothing else."""
        chosen = {name: self.model_dump(mode="json")[name] for name in sorted(sections)}
        return hashlib.md5(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]

    def value(self, key: str) -> Any:
        """The value of a dotted key, such as `clean.lateness_days`."""
        found: Any = self
        for part in key.split("."):
            found = getattr(found, part)
        return found
