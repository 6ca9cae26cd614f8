"""What people write about their deployment, in YAML, CSV and Terraform, becomes types, or every problem at once."""

from simkit.inputs.scenario import load

__all__ = ["load"]
