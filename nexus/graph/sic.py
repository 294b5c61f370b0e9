"""SIC codes as GICS sectors, for companies of which only a filing's SIC is known: approximate, by major group.

Written from the divisions and groups of the Standard Industrial Classification manual (1987) as the SEC uses them, and
the GICS structure of March 2023. A SIC says what a firm made when it registered, GICS what it earns with today: a
conglomerate, or a firm that changed trades, is placed by its SIC. Known to differ: 3M (3841), Disney (7990), Alphabet
and Meta (7370), Visa (7389), CVS (5912).
"""

from __future__ import annotations

from bisect import bisect_right

from nexus.errors import InputError

SCHEME = "SIC-GICS-1"
"""Name and version of this table."""

COMMUNICATION, DISCRETIONARY, STAPLES = "Communication Services", "Consumer Discretionary", "Consumer Staples"
ENERGY, FINANCIALS, HEALTH, INDUSTRIALS = "Energy", "Financials", "Health Care", "Industrials"
TECHNOLOGY, MATERIALS, PROPERTY, UTILITIES = "Information Technology", "Materials", "Real Estate", "Utilities"
NONE = None

_TABLE: tuple[tuple[int, str | None], ...] = (
    # agriculture, mining, construction
    (100, STAPLES), (800, MATERIALS), (900, STAPLES), (1000, MATERIALS), (1200, ENERGY), (1400, MATERIALS),
    (1500, DISCRETIONARY), (1540, INDUSTRIALS), (1800, NONE),
    # food, tobacco, textiles, wood, furniture, paper, print
    (2000, STAPLES), (2200, DISCRETIONARY), (2400, MATERIALS), (2450, DISCRETIONARY), (2460, MATERIALS),
    (2500, DISCRETIONARY), (2520, INDUSTRIALS), (2600, MATERIALS), (2700, COMMUNICATION), (2750, INDUSTRIALS),
    (2770, DISCRETIONARY), (2780, INDUSTRIALS),
    # chemicals, drugs, household products, petroleum, rubber, leather, stone
    (2800, MATERIALS), (2830, HEALTH), (2840, STAPLES), (2850, MATERIALS), (2900, ENERGY), (2950, MATERIALS),
    (2990, ENERGY), (3000, DISCRETIONARY), (3050, MATERIALS), (3100, DISCRETIONARY), (3200, MATERIALS),
    # metals, machinery, computers
    (3420, INDUSTRIALS), (3570, TECHNOLOGY), (3580, INDUSTRIALS),
    # electrical: appliances, household audio, communications equipment and components, the rest
    (3630, DISCRETIONARY), (3640, INDUSTRIALS), (3650, DISCRETIONARY), (3660, TECHNOLOGY), (3680, INDUSTRIALS),
    # vehicles, aircraft, boats, rail, motorcycles, missiles
    (3700, DISCRETIONARY), (3713, INDUSTRIALS), (3714, DISCRETIONARY), (3715, INDUSTRIALS), (3716, DISCRETIONARY),
    (3720, INDUSTRIALS), (3732, DISCRETIONARY), (3740, INDUSTRIALS), (3750, DISCRETIONARY), (3760, INDUSTRIALS),
    (3790, DISCRETIONARY),
    # instruments: navigation, measuring, laboratory, optical, medical, photographic; watches, toys, sundries
    (3800, INDUSTRIALS), (3820, TECHNOLOGY), (3826, HEALTH), (3827, TECHNOLOGY), (3840, HEALTH), (3860, TECHNOLOGY),
    (3870, DISCRETIONARY), (3950, INDUSTRIALS), (3960, DISCRETIONARY), (3990, INDUSTRIALS),
    # transport: cruises, pipelines, travel agencies, freight
    (4481, DISCRETIONARY), (4482, INDUSTRIALS), (4600, ENERGY), (4700, DISCRETIONARY), (4730, INDUSTRIALS),
    # communications; utilities, gas pipelines, waste, steam
    (4800, COMMUNICATION), (4900, UTILITIES), (4922, ENERGY), (4924, UTILITIES), (4950, INDUSTRIALS),
    (4960, UTILITIES),
    # wholesale
    (5000, INDUSTRIALS), (5010, DISCRETIONARY), (5020, INDUSTRIALS), (5045, TECHNOLOGY), (5047, HEALTH),
    (5048, INDUSTRIALS), (5050, MATERIALS), (5060, TECHNOLOGY), (5070, INDUSTRIALS), (5090, DISCRETIONARY),
    (5100, INDUSTRIALS), (5120, HEALTH), (5130, DISCRETIONARY), (5140, STAPLES), (5160, MATERIALS), (5170, ENERGY),
    (5180, STAPLES),
    # retail: department stores apart from discounters; groceries; drug stores
    (5200, DISCRETIONARY), (5330, STAPLES), (5500, DISCRETIONARY), (5912, STAPLES), (5913, DISCRETIONARY),
    # banks, brokers, insurers, health plans, property, holding companies, patents, trusts
    (6000, FINANCIALS), (6324, HEALTH), (6325, FINANCIALS), (6500, PROPERTY), (6600, FINANCIALS), (6792, ENERGY),
    (6793, FINANCIALS), (6794, TECHNOLOGY), (6795, FINANCIALS), (6798, PROPERTY), (6799, FINANCIALS), (6800, NONE),
    # services
    (7000, DISCRETIONARY), (7300, INDUSTRIALS), (7310, COMMUNICATION), (7320, INDUSTRIALS), (7370, TECHNOLOGY),
    (7380, INDUSTRIALS), (7530, DISCRETIONARY), (7600, INDUSTRIALS), (7800, COMMUNICATION), (7900, DISCRETIONARY),
    (8000, HEALTH), (8100, INDUSTRIALS), (8200, DISCRETIONARY), (8400, NONE), (8700, INDUSTRIALS), (8730, HEALTH),
    (8740, INDUSTRIALS), (8800, NONE), (8900, INDUSTRIALS), (9000, NONE),
)  # fmt: skip
"""(first code, sector): a sector runs until the next row; NONE where the SIC is of no trade."""
_FIRSTS = [first for first, _ in _TABLE]


def gics_sector(sic: str | int) -> str | None:
    """The GICS sector of a SIC code; None where the code says no trade (government, not classifiable).

    sic : four digits, or three where the leading zero was lost; a description may follow ("3571 Electronic Computers")

    Raises
    ------
    InputError
        When it does not begin with such a number.
    """
    words = str(sic).split(maxsplit=1)
    if not words or not words[0].isascii() or not words[0].isdigit() or not 3 <= len(words[0]) <= 4:
        raise InputError(f'SIC "{sic}": a code is four digits, such as 3571')
    place = bisect_right(_FIRSTS, int(words[0])) - 1
    return _TABLE[place][1] if place >= 0 else None
