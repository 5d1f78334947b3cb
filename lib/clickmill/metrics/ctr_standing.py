"""How models of clicks stand beside each other: the best first, and whether the networks were worth their trouble, in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyspark.sql import Row

from clickmill.metrics.ctr_evaluation import BASE_RATE, BASELINES, LINEAR

SIMPLE = (*BASELINES, LINEAR, "logistic_regression")
"""What a model with products of fields, layers or trees has to beat."""

_METRICS = {
    "log loss": "log_loss",
    "less than base_rate": f"log_loss_gain_over_{BASE_RATE}",
    "less than Spark's linear": f"log_loss_gain_over_{LINEAR}",
    "AUC": "auc",
    "gAUC": "gauc",
}
COLUMNS = tuple(_METRICS)


@dataclass(frozen=True)
class Standing:
    """The models of a site, the one with the lowest log loss first: name, and rows of models.ctr_evaluations by metric."""

    site_id: str
    models: tuple[tuple[str, Mapping[str, Row]], ...]

    def verdict(self) -> str:
        """Which model is the best, and whether a simple one does as well."""
        best, metrics = self.models[0]
        told = f"{self.site_id}: {best} has the lowest log loss, {metrics['log_loss'].value:.4f}"
        over_rate = metrics.get(f"log_loss_gain_over_{BASE_RATE}")
        if over_rate is None or over_rate.low <= 0:
            return f"{told}; nothing surely beats the rate of answers"
        if best in SIMPLE:
            return f"{told}; the simple model wins"
        over_linear = metrics.get(f"log_loss_gain_over_{LINEAR}")
        if over_linear is None:
            return told
        by = f"{over_linear.value:.4f} ({over_linear.low:.4f} to {over_linear.high:.4f}) less than {LINEAR}"
        return f"{told}, {by}{'' if over_linear.low > 0 else ', which may be chance: the simple model does as well'}"


def standings(evaluations: Iterable[Row]) -> list[Standing]:
    """The models of each site, in the order of sites.

    Needs   rows of models.ctr_evaluations of one day and of the slice `all`
    """
    by_site: dict[str, dict[tuple[str, str], dict[str, Row]]] = {}
    for row in evaluations:
        by_site.setdefault(row.site_id, {}).setdefault((row.model, row.model_run_id), {})[row.metric] = row
    return [
        Standing(site, tuple((name, of) for (name, _), of in sorted(models.items(), key=lambda one: (one[1]["log_loss"].value, one[0]))))
        for site, models in sorted(by_site.items())
    ]


def told(metrics: Mapping[str, Row], cell: str = "{0.value:.4f} ({0.low:.4f} to {0.high:.4f})") -> list[str]:
    """The cells of a model under COLUMNS, with intervals of 95 % by user; empty where there is no value."""
    rows = [metrics.get(name) for name in _METRICS.values()]
    return ["" if row is None else cell.format(row) for row in rows]
