"""Data to try the package on: a simulated plant and a fetcher of a public one."""

from skdae.datasets._simulator import FaultEvent, make_sensor_data
from skdae.datasets._tennessee_eastman import fetch_tennessee_eastman

__all__ = ["FaultEvent", "fetch_tennessee_eastman", "make_sensor_data"]
