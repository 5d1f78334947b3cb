"""Where something was shown: inputs that explain the answers of the past, and that nobody knows when scoring.

Training has them, so that a good place is not taken for a good item. Scoring has their neutral values, the same for all, and some
rows of training have those too, so that they are learned (Zhao et al., Recommending what video to watch next, RecSys 2019,
section 4.3: positions are missing when serving, and dropped from a tenth of the training data).

Shapes  B rows of a batch, F fields, D dense columns
"""

import torch
from torch import Tensor

from clickmill.models.ctr.inputs import InputSpec


def neutral(fields: Tensor, dense: Tensor, spec: InputSpec) -> tuple[Tensor, Tensor]:
    """A batch as it is scored: 0 in all inputs of training alone, of a field what is unknown, of a dense column the mean.

    Shapes  fields (B, F), dense (B, D); the answers alike
    """
    return _neutral_where(torch.ones(len(fields), 1, dtype=torch.bool, device=fields.device), fields, dense, spec)


def neutral_at_times(fields: Tensor, dense: Tensor, spec: InputSpec, *, share: float, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch as it is trained on: neutral in a share of its rows, each drawn for itself, in all inputs of training at once.

    Shapes  fields (B, F), dense (B, D); the answers alike
    """
    is_chosen = torch.rand(len(fields), 1, generator=draw) < share  # [B, 1]
    return _neutral_where(is_chosen.to(fields.device), fields, dense, spec)


def _neutral_where(is_chosen: Tensor, fields: Tensor, dense: Tensor, spec: InputSpec) -> tuple[Tensor, Tensor]:
    of_fields = torch.tensor([one.is_training_only for one in spec.fields], dtype=torch.bool, device=fields.device)  # [F]
    of_dense = torch.tensor([one.is_training_only for one in spec.dense], dtype=torch.bool, device=fields.device)  # [D]
    return fields.masked_fill(is_chosen & of_fields, 0), dense.masked_fill(is_chosen & of_dense, 0)
