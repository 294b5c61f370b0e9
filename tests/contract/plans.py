"""How the small market is cut."""

from nexus.contract.splits import Plan

PLAN = Plan(first_train_months=12, validation_months=6, test_months=6)
OPTIONS = ["--train-months", "12", "--validation-months", "6", "--test-months", "6"]
