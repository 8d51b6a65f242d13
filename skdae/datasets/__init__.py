"""Data to try the package on, and a reader of tables larger than memory."""

from skdae.datasets._parquet import ParquetBatches
from skdae.datasets._simulator import FaultEvent, make_sensor_data
from skdae.datasets._tennessee_eastman import fetch_tennessee_eastman

__all__ = [
    "FaultEvent",
    "ParquetBatches",
    "fetch_tennessee_eastman",
    "make_sensor_data",
]
