"""Texts of the report in English."""

#: Keys are those of the other languages; names in braces are filled in.
TEXTS = {
    # how numbers are told
    "none": "–",
    "list.comma": ", ",
    "list.and": " and ",
    "sentence.space": " ",
    "sentence.end": ".",
    "change.equal": "the same",
    "change.lower": "{number} lower",
    "change.higher": "{number} higher",
    "change.times": "{number} times as high",
    "interval.lower": "{near} to {far} lower",
    "interval.higher": "{near} to {far} higher",
    "interval.apart": "{near} to {far}",
    "splits.one": "{n} split",
    "splits.many": "{n} splits",
    "labels.count": "{n}",
    "labels.all": "all",
    "range": "{low} to {high}",
    "class.count": "{name}: {n}",
    "class.normal": "normal",
    "class.anomaly": "anomalies",
    "column.package": "Package",
    "compared.sure": (
        "Error of {ours} against {rival}: {change} (mean ratio of {splits}; 95% "
        "interval {interval})."
    ),
    "compared.open": (
        "No difference shown between {ours} and {rival}: measured {change} (mean "
        "ratio of {splits}), but the 95% interval goes from {interval}."
    ),
    "compared.wide": (
        "No difference shown between {ours} and {rival}: on some splits an error is "
        "all but zero, and the 95% interval of the ratio goes from far lower to far "
        "higher ({splits})."
    ),
    "compared.once": (
        "Error of {ours} against {rival}: {change} on the only split; a single split "
        "has no interval, so this may be chance."
    ),
    # the verdict
    "headline.worth": "Worth it on this data",
    "headline.unsure": "Not decided yet",
    "headline.not_worth": "Not worth it on this data",
    "overall.worth": (
        "The denoising autoencoder is surely better than every usual method at {where}."
    ),
    "overall.unsure": (
        "At {where} the denoising autoencoder measures better than every usual "
        "method, but these splits do not show that this is more than chance."
    ),
    "overall.not_shown": (
        "At {where} no gain that counts (at least {margin}) over every usual method "
        "was measured, but these splits do not rule one out."
    ),
    "overall.all_round": (
        "At {where} the denoising autoencoder is surely better over all troubles "
        "together, but under no single one is it surely better than every usual method."
    ),
    "overall.not_worth": (
        "No gain that counts (at least {margin}) over the usual methods was found."
    ),
    "where.denoising": "rebuilding disturbed rows",
    "where.classification": "telling the classes of {target}",
    "where.regression": "predicting {target}",
    "where.anomaly": "finding anomalies",
    "the_target": "the target",
    "named": "'{name}'",
    "next.deploy": (
        "Next: train it on all rows and run it for a while beside what is in use "
        "today, on new rows, before relying on it."
    ),
    "next.other_data": (
        "Next: look for other data, such as sensors that measure related things or "
        "earlier rows as extra columns; more training will not help."
    ),
    "next.more_splits": (
        "Next: run again with more time, for more rows and splits, until the interval "
        "lies on one side."
    ),
    "next.name_trouble": (
        "Next: name the trouble that matters in this plant. The network is ahead over "
        "all of them together, which is not shown for any one alone."
    ),
    "next.use_linear": "Next: a linear method is enough; use {rivals}.",
    "next.use_simple": "Next: stay with the usual methods: {rivals}.",
    "next.for": "{rival} for {where}",
    "overall.once": "With a single split nothing is sure: allow more minutes.",
    "question.overall": "Is it worth it?",
    "question.structure": "Do the columns tell anything about each other?",
    "question.schedule": "Is {ours} better than {rival} here?",
    "question.denoising": "Does it rebuild disturbed rows better than simple methods?",
    "question.downstream": "Does it help at {where}?",
    "question.cost": "What does it cost?",
    "structure.related": "Yes",
    "structure.nothing_in_common": "No",
    "structure.unsure": "Not known",
    "structure.perhaps": "Probably",
    "structure.perhaps.why": (
        "On average, lost values are rebuilt better than by the column's mean."
    ),
    "structure.unsure.why": (
        "No method rebuilt lost values better than the column's mean by {margin}, but "
        "these splits do not rule it out."
    ),
    "structure.related.why": "Lost values can be told from the other columns.",
    "structure.nothing_in_common.why": (
        "No method rebuilds lost values better than the column's mean by {margin}, so "
        "there is nothing for a denoising autoencoder to learn."
    ),
    "schedule.better": "Yes",
    "schedule.worse": "No, it is worse",
    "schedule.no_difference": "No difference shown",
    "schedule.unsure": "Not known",
    "denoising.worth": "Yes",
    "denoising.unsure": "Perhaps",
    "denoising.all_round": "On the whole, but not under any one trouble",
    "denoising.linear_enough": "No, a linear method is enough",
    "denoising.simple_enough": "No, a simple method is enough",
    "denoising.not_shown": "No gain shown",
    "denoising.not_worth": "No, there is nothing to rebuild from",
    "wins.some": "Surely better than every simple method under: {troubles}.",
    "wins.none": (
        "Under no single trouble is it surely better than every simple method."
    ),
    "constant.lower": (
        "The constant answer is not counted among the usual methods; its mean error "
        "is the lower one here ({constant}, {rival}: {error})."
    ),
    "downstream.worth": "Yes",
    "downstream.unsure": "Perhaps",
    "downstream.not_shown": "No gain shown",
    "downstream.nothing_to_learn": "No, nothing can be learned about it here",
    "downstream.not_worth": "No gain that counts",
    "regime.every": "It gains surely at every number of labels tried ({labels}).",
    "regime.few": (
        "It gains surely where labels are few ({labels}), which is not shown with more."
    ),
    "regime.many": (
        "It gains surely where labels are many ({labels}), which is not shown with "
        "fewer."
    ),
    "regime.some": (
        "It gains surely with these numbers of labels: {labels}; not with others."
    ),
    "regime.none": "At no number of labels tried ({labels}) is a gain sure.",
    "at_labels": "Labels: {labels}.",
    "pretraining.some": (
        "Pretraining itself helps surely with these numbers of labels: {labels}."
    ),
    "pretraining.none": (
        "That pretraining helps the same network is not shown at any number of labels."
    ),
    "cost.seconds": "{seconds} s of training per split",
    "cost.seconds.why": (
        "For comparison, {rival}: {rival_seconds} s. The network takes {rate} rows "
        "a second."
    ),
    "cost.memory": "It needs {megabytes} MB of memory at its peak.",
    "cost.gain": (
        "An extra second of training lowers the error by {gain} standard deviations."
    ),
    "cost.no_extra": "It takes no more time than {rival}.",
    "cost.no_gain": "That the extra time lowers the error is not shown.",
    # summary and passage
    "summary.overall": "{headline}. {why}",
    "summary.data": (
        "Tried on {name}: {rows} rows, {columns} columns, {splits}, the same for all "
        "methods."
    ),
    "summary.answer": "{question} {answer} {why}",
    "summary.warning": "Warning: {finding}",
    "summary.unfinished": (
        "Unfinished: the run was interrupted with {whole} of {planned} splits whole, "
        "and these are the results so far."
    ),
    "passage.title": "To read out in a meeting",
    "passage.start": (
        "We tried denoising autoencoders on our own data, {name}, with {rows} rows and "
        "{columns} columns, beside the usual methods and on the same held-out rows."
    ),
    "passage.worth": "The answer is yes: it is worth it on this data.",
    "passage.unsure": "The answer is open: it may be worth it, but it is not shown.",
    "passage.not_worth": "The answer is no: it is not worth it on this data.",
    "passage.sure": (
        "At {where} its error is {change} compared with {rival}, the strongest usual "
        "method; chance alone would hardly show that."
    ),
    "passage.open": (
        "At {where} no difference from {rival}, the strongest usual method, was shown."
    ),
    "passage.once": (
        "At {where} its error is {change} compared with {rival}, the strongest usual "
        "method, but on a single split, which may be chance."
    ),
    "passage.cost": "Training took {seconds} s per split.",
    "passage.careful": (
        "The data has oddities that can make such results look better than they are."
    ),
    # methods
    "method.gradual": "gradual",
    "method.stacked": "stacked",
    "method.hybrid": "hybrid",
    "method.frozen": "frozen",
    "method.joint": "joint",
    "method.our_detector": "our detector ({schedule})",
    "method.as_measured": "as measured",
    "method.column_mean": "column mean",
    "method.constant": "constant answer",
    "method.pca": "PCA",
    "method.neighbors": "nearest neighbours",
    "method.regressions": "linear regressions",
    "method.untrained": "not pretrained",
    "method.linear_raw": "linear on raw columns",
    "method.linear_pca": "linear on PCA",
    "method.linear_codes": "linear on our codes",
    "method.boosting": "gradient boosting",
    "method.isolation_forest": "isolation forest",
    "method.mahalanobis": "Mahalanobis distance",
    "method.nearest_rows": "nearest rows",
    "method.pca_residual": "PCA residual",
    "about.gradual": "layers are added one by one while those below keep learning",
    "about.stacked": "each layer is trained on the codes of the frozen layers below",
    "about.hybrid": "each new layer first as in stacked, then as in gradual",
    "about.frozen": "as gradual, with the layers below frozen",
    "about.joint": "all layers together from the start",
    "about.our_detector": "our anomaly detector, its networks trained by this schedule",
    "about.as_measured": "rows as they arrive, with the column's mean in gaps",
    "about.column_mean": "the mean of the column, whatever is measured",
    "about.pca": "projection on principal axes, their number chosen on training rows",
    "about.neighbors": "the mean of the most similar training rows",
    "about.regressions": "each value by a linear regression on the others of its row",
    "about.untrained": "the same network without pretraining, trained on labels alone",
    "about.constant": "the commonest class or the mean; for anomalies, a coin",
    "about.linear_raw": "a linear model on the standardised columns",
    "about.linear_pca": "a linear model on principal axes of all training rows",
    "about.linear_codes": "a linear model on the codes of the judged network",
    "about.boosting": "gradient-boosted trees on the columns",
    "about.isolation_forest": "how easily random cuts single a row out",
    "about.mahalanobis": "distance from the mean, by the covariance",
    "about.nearest_rows": "distance to the most similar normal rows",
    "about.pca_residual": "distance from the plane of the principal axes",
    # troubles
    "trouble.clean": "clean",
    "trouble.sensor_noise": "sensor noise",
    "trouble.spikes": "spikes",
    "trouble.stuck": "stuck sensors",
    "trouble.dropout": "lost values",
    "trouble.missing_blocks": "lost blocks",
    "trouble.overall": "all troubles",
    "about.clean": "rows as they are; to return them unchanged is the best answer",
    "about.sensor_noise": "every value is a little wrong",
    "about.spikes": "few values are very wrong",
    "about.stuck": "sensors repeat an old value for a while",
    "about.dropout": "single values are lost; the error is that of the lost ones",
    "about.missing_blocks": (
        "groups of columns are lost together, as by a broken line; the error is that "
        "of the lost values"
    ),
    "about.overall": "the geometric mean of the errors under all troubles",
    # measures
    "measure.share_wrong": "share of wrong answers",
    "measure.one_minus_average_precision": "1 − average precision",
    "measure.rmse": "root mean squared error",
    "measure.one_minus_auroc": "1 − area under the ROC curve",
    "about.share_wrong": "0 is perfect.",
    "about.one_minus_average_precision": (
        "0 is perfect; for a rare class, where the share of wrong answers says little."
    ),
    "about.rmse": "In the units of the target; 0 is perfect.",
    "about.one_minus_auroc": (
        "0 is perfect, 0.5 is guessing: how often a normal row looks stranger than an "
        "anomaly."
    ),
    # findings
    "finding.empty": "Left out, for they are empty: {columns}.",
    "finding.constant": "Left out, for they never change: {columns}.",
    "finding.date_time": "Left out, for they are dates: {columns}.",
    "finding.id_like": "Left out, for they only number or name the rows: {columns}.",
    "finding.many_categories": (
        "Left out, for they are texts with too many different values: {columns}."
    ),
    "finding.infinite": "Infinite values were taken as missing: {columns}.",
    "finding.duplicate_rows": (
        "{rows} rows ({share}) occur more than once. Copies of training rows among the "
        "test rows make every method look better than it is."
    ),
    "finding.telling_column": (
        "One column alone tells the target almost perfectly: {columns} (score "
        "{scores}). If it is only known after the target, leave it out and run again."
    ),
    "finding.unlabelled_rows": (
        "{rows} rows have no target; they are used for pretraining only."
    ),
    "finding.rows_in_order": (
        "Neighbouring rows resemble each other, as in records over time. Random "
        "splits then look too good: name the column of the time, or of the batch."
    ),
    "finding.rows_in_time": (
        "Neighbouring rows resemble each other, as in records over time. Random "
        "splits then look too good: name the column of the time, perhaps {columns} "
        "({option}), or of the batch."
    ),
    "finding.repeated": (
        "Up to {rows} test rows of a split are also among its training rows."
    ),
    "finding.other": "{code}: {columns}",
    "finding.most": "… ({n} in all)",
    "findings.none": "Nothing odd was found.",
    "severity.warning": "Warning",
    "severity.note": "Note",
    # what was left out
    "late": (
        "Time budget: {budget} minutes; it took {took}. The least that can be run took "
        "longer, or the machine was busy."
    ),
    "left_out.title": "What was left out",
    "left_out.none": "Nothing: all that was asked for was run.",
    "left_out.why": (
        "To meet the time budget, or the most rows that were allowed, less was run "
        "than asked for. With more time the answers become surer."
    ),
    "left_out.schedules": "Schedules: {run}; asked for: {asked}.",
    "left_out.label_counts": "Numbers of labels: {run}; asked for: {asked}.",
    "left_out.max_iter": "Epochs: {run} of {asked}.",
    "left_out.rows": "Rows: {run} of {asked}, drawn at random.",
    "left_out.splits": "Splits: {run} of {asked}.",
    "left_out.other": "{what}: {run} of {asked}.",
    # the page
    "title": "Proof of concept: {name}",
    "lead": "Do denoising autoencoders pay on this table?",
    "made": "Made on {when} with skdae {version}.",
    "contents": "Contents",
    "verdict.title": "Verdict",
    "data.title": "The data",
    "data.findings": "What was found in it",
    "data.columns": "All columns that are used",
    "data.facts": "Facts",
    "fact.rows": "Rows used",
    "fact.columns": "Columns used",
    "fact.missing": "Missing cells",
    "fact.target": "Target",
    "fact.task": "Task",
    "fact.classes": "Rows per class",
    "fact.known": "Rows with a target",
    "fact.order": "Order",
    "fact.groups": "Groups",
    "order.time": "in time: learned from the past, tested on what comes after",
    "order.random": "none: test rows are drawn at random",
    "order.groups": "whole groups are held out",
    "task.none": "none",
    "task.classification": "classes",
    "task.regression": "numbers",
    "task.anomaly": "anomalies",
    "denoising.title": "Experiment 1: rebuilding disturbed rows",
    "denoising.intro": (
        "Held-out rows get a known trouble and are rebuilt. The error is the root mean "
        "squared error of each column in its standard deviations, averaged over "
        "columns: 0 is perfect, and about 1 is what the column's mean reaches. All "
        "schedules made the same number of weight updates."
    ),
    "denoising.plot": "Error by method, under each trouble",
    "denoising.table": "Error by method and trouble, with 95% intervals",
    "denoising.columns": "Each column, in its own units",
    "denoising.columns.intro": (
        "Root mean squared error in the units of the column, a mean over splits."
    ),
    "denoising.columns.cut": (
        "The table is large: only the judged schedule and its strongest simple rival "
        "are shown. The JSON file has all methods."
    ),
    "downstream.title": "Experiment 2: {where}",
    "downstream.title.none": "Experiment 2: the task on top",
    "downstream.none": (
        "No target was named, so there was no task to try. Name one to see whether "
        "pretraining helps it."
    ),
    "downstream.intro": (
        "Lower is better. Test rows take no part in any choice. Measure: {measure}."
    ),
    "downstream.plot": "Error by number of labels",
    "downstream.plot.one": "Error by method",
    "downstream.table": "Error by method and number of labels, with 95% intervals",
    "downstream.regime": "In which regime this table lies",
    "downstream.regime.table": "The answer at each number of labels",
    "resources.title": "Experiment 3: time and resources",
    "resources.intro": (
        "Means over splits, on the machine that ran this. The peak memory is what "
        "training adds to a fresh process; it was measured for the heaviest methods."
    ),
    "resources.table": "What each method takes",
    "kind.network": "network",
    "kind.untrained": "task",
    "kind.predictor": "task",
    "kind.detector": "anomalies",
    "kind.our_detector": "anomalies",
    "kind.rebuilder": "rebuilding",
    "differences.title": "Differences with their intervals",
    "differences.intro": (
        "How the error of {ours} compares with that of each other method on the same "
        "splits. 'Better' and 'worse' are said only where the whole 95% interval lies "
        "on that side."
    ),
    "differences.denoising": "Rebuilding disturbed rows",
    "differences.downstream": "The task on top",
    "is.better": "better",
    "is.worse": "worse",
    "is.open": "no difference shown",
    "is.once": "one split, not known",
    "method.title": "How it was measured",
    "method.splits.random": (
        "Repeated cross-validation: every method saw the same splits."
    ),
    "method.splits.time": (
        "Blocks of time: every method learned from earlier rows and was tested on the "
        "rows that came after, on the same splits."
    ),
    "method.splits.groups": (
        "Whole groups were held out: every method saw the same splits."
    ),
    "method.choices": (
        "No test row took part in any choice; the size of PCA and the strength of "
        "penalties were chosen within training rows."
    ),
    "method.means": (
        "Errors in tables and plots are means over splits. Differences, in the verdict "
        "too, are taken split by split, and are the geometric mean of the ratios: "
        "they are not the ratio of two means, which follows the splits with large "
        "errors."
    ),
    "method.intervals": (
        "Intervals are 95% intervals of paired differences, of the logarithm of "
        "errors, by the t-test that Nadeau and Bengio corrected for the training rows "
        "that splits share (Inference for the generalization error, 2003). Those of "
        "mean errors are computed on the same scale, so that none goes below 0."
    ),
    "method.rule": (
        "Better means that the whole interval lies below zero difference. Worth it "
        "means better than every usual method, by at least {margin}. Not worth it "
        "means that the interval against one of them rules out a gain of that size. "
        "What lies between is not decided."
    ),
    "method.methods": "The methods",
    "method.troubles": "The troubles",
    "method.splits.table": "The splits",
    "method.warnings": "Warnings of the libraries while it ran",
    "reproduce.title": "To run it again",
    "reproduce.intro": (
        "With the same table and these versions the numbers above are the same, except "
        "for times and what the time budget cuts."
    ),
    "reproduce.call": "The call",
    "reproduce.versions": "Versions",
    "trace": (
        "Every number on this page stands in the JSON file beside it; point at a "
        "number to see where."
    ),
    "column.answer": "Answer",
    "column.code": "Result",
    "column.cpu": "CPU seconds",
    "column.deviation": "Standard deviation",
    "column.difference": "Difference",
    "column.interval": "95% interval",
    "column.kind": "Kind",
    "column.labels": "Labels",
    "column.mean": "Mean",
    "column.meaning": "Meaning",
    "column.method": "Method",
    "column.missing": "Missing",
    "column.name": "Column",
    "column.p": "p-value",
    "column.parameters": "Weights",
    "column.peak": "Peak memory, MB",
    "column.pretraining": "Against not pretrained",
    "column.rate": "Rows per second",
    "column.repeated": "Test rows also in training",
    "column.rival": "Against",
    "column.seconds": "Seconds",
    "column.size": "Size, kB",
    "column.split": "Split",
    "column.test": "Test rows",
    "column.train": "Training rows",
    "column.trouble": "Trouble",
    "column.updates": "Weight updates",
    "column.use": "Used for",
    "column.version": "Version",
    "kind.numeric": "number",
    "kind.text": "text",
    "plot.axis.denoising": "error, in standard deviations",
    "plot.axis.labels": "number of labels",
    "plot.intervals": (
        "Lines are 95% intervals, cut at the edge of the plot. The filled diamond is "
        "the schedule that is judged, squares are other schedules or networks, circles "
        "are other methods."
    ),
    "plot.denoising.about": "Errors under: {trouble}. The lowest: {best}.",
    "plot.downstream.about": (
        "{measure} by number of labels. The lowest with the most: {best}."
    ),
}
