"""
Thresholds for rows in time order
=================================

Neighbouring rows of a process are nearly copies. A threshold from rows that were held
out at random raises too many alarms, because each of them has its neighbours in
training. Held-out blocks with a gap come close to the stated rate.
"""

# %%
# Records of a process
# --------------------
#
# Eight records of eight sensors that follow an autoregressive process. The detector is
# trained on the first 600 rows of each; the 2,000 rows that follow are normal as well,
# so that every alarm is a false one. Both detectors are asked for 2 %.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import lfilter

from skdae import GradualDAEOutlierDetector, GradualDAETransformer

RATE = 0.02


def record(seed, n_rows=2600, n_sensors=8, memory=0.9):
    """Rows that depend on three slow states and on the rows before."""
    rng = np.random.default_rng(seed)
    states = lfilter([1], [1, -memory], rng.normal(size=(n_rows + 200, 3)), axis=0)
    own = lfilter([1], [1, -memory], rng.normal(size=(n_rows + 200, n_sensors)), axis=0)
    return (states @ rng.normal(size=(3, n_sensors)) + 0.5 * own)[200:]


rates = {"random": [], "auto": []}
for seed in range(8):
    rows = record(seed)
    for calibration, found in rates.items():
        detector = GradualDAEOutlierDetector(
            GradualDAETransformer((16, 4), max_iter=10),
            scores="neighbors",
            calibration=calibration,
            false_alarm_rate=RATE,
            random_state=0,
        )
        with warnings.catch_warnings():  # the detector warns of random folds here
            warnings.simplefilter("ignore")
            detector.fit(rows[:600])
        found.append((detector.predict(rows[600:]) == -1).mean())

report = detector.calibration_report_
print(f"{report.n_rows} rows are worth {report.n_effective:.0f} independent ones")
for calibration, found in rates.items():
    print(f"{calibration:7s} mean rate of false alarms {np.mean(found):.1%}")

# %%

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
labels = {"random": "rows held out\nat random", "auto": "blocks with a gap\n(default)"}
for place, (calibration, found) in enumerate(rates.items()):
    colour = "#d9822b" if calibration == "random" else "#1f5fbf"
    spots = place + np.linspace(-0.15, 0.15, len(found))
    ax.plot(100 * np.sort(found), spots, "o", color=colour)
    ax.plot([100 * np.mean(found)] * 2, [place - 0.3, place + 0.3], color=colour)
ax.axvline(100 * RATE, color="#30343b", ls="--", lw=1)
ax.text(100 * RATE, 1.45, " asked for", va="center")
ax.set_yticks(range(2), [labels[calibration] for calibration in rates])
ax.set(xlabel="false alarms in each record, %", ylim=(-0.5, 1.6))
ax.spines[["top", "right"]].set_visible(False)
plt.show()
