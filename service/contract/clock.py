"""How the times of a model run, and what is derived from them: its step, its time zone, its country."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.contract.calendar import Features, features_at
from service.contract.frequency import Frequency, Times
from service.contract.time_zone import instants, utc_offsets, wall_times


@dataclass(frozen=True, slots=True)
class Clock:
    """A step, an IANA time zone, and a country such as `DE` or `US-CA` whose holidays count.

    Times on a clock are local wall times. On an `absolute` one they are UTC: where clocks go forward or back, steps of less than a day
    neither lose nor double an hour, while days, weeks and months begin by the local date all the same.
    """

    frequency: Frequency
    time_zone: str | None = None
    holidays: str | None = None

    @property
    def absolute(self) -> bool:
        """Whether its times are UTC: steps of less than a day in a declared time zone."""
        return self.time_zone is not None and not self.frequency.whole_days

    def wall(self, times: Times) -> Times:
        """Local wall times of times on this clock, (n,)."""
        return wall_times(self.time_zone, times) if self.time_zone is not None and self.absolute else times

    def offsets(self, times: Times) -> NDArray[np.int64] | None:
        """Seconds that local clocks are ahead of UTC at times on this clock, (n,); none without a time zone."""
        if self.time_zone is None:
            return None
        if self.absolute:
            return utc_offsets(self.time_zone, times)
        utc = instants(self.time_zone, times, later=np.zeros(len(times), np.bool_)).times
        return (times - utc).astype("timedelta64[s]").astype(np.int64)

    def features(self, times: Times, names: tuple[str, ...]) -> Features:
        """The named calendar features of times on this clock, (time, names)."""
        return features_at(self.wall(times), names, holidays=self.holidays)
