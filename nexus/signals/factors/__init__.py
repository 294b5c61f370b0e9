"""Table of contents of the built-in factors: name -> where it is, imported when asked for."""

TABLE = {
    "momentum_12_1": "nexus.signals.factors.price:MOMENTUM_12_1",
    "reversal_5": "nexus.signals.factors.price:REVERSAL_5",
    "reversal_21": "nexus.signals.factors.price:REVERSAL_21",
    "high_52w": "nexus.signals.factors.price:HIGH_52W",
    "volatility": "nexus.signals.factors.price:VOLATILITY",
    "idiosyncratic_volatility": "nexus.signals.factors.price:IDIOSYNCRATIC_VOLATILITY",
    "beta": "nexus.signals.factors.price:BETA",
    "amihud": "nexus.signals.factors.price:AMIHUD",
    "max_return": "nexus.signals.factors.price:MAX_RETURN",
    "abnormal_volume": "nexus.signals.factors.price:ABNORMAL_VOLUME",
    "fundamental_margin_compression": "nexus.signals.factors.fundamental:MARGIN_COMPRESSION",
    "asset_growth": "nexus.signals.factors.fundamental:ASSET_GROWTH",
    "return_on_equity": "nexus.signals.factors.fundamental:RETURN_ON_EQUITY",
    "accruals": "nexus.signals.factors.fundamental:ACCRUALS",
    "filing_lateness": "nexus.signals.factors.fundamental:FILING_LATENESS",
    "earnings_drift": "nexus.signals.factors.event_based:EARNINGS_DRIFT",
    "days_since_8k": "nexus.signals.factors.event_based:DAYS_SINCE_8K",
}
