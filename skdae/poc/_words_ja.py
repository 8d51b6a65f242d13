"""Texts of the report in Japanese."""

#: Keys are those of the other languages; names in braces are filled in.
TEXTS = {
    # how numbers are told
    "none": "–",
    "list.comma": "、",
    "list.and": "と",
    "sentence.space": "",
    "sentence.end": "。",
    "change.equal": "同じ",
    "change.lower": "{number}低い",
    "change.higher": "{number}高い",
    "change.times": "{number}倍",
    "interval.lower": "{near}～{far}低い",
    "interval.higher": "{near}～{far}高い",
    "interval.apart": "{near}～{far}",
    "splits.one": "{n}分割",
    "splits.many": "{n}分割",
    "labels.count": "{n}件",
    "labels.all": "全件",
    "range": "{low}～{high}",
    "class.count": "{name}：{n}",
    "class.normal": "正常",
    "class.anomaly": "異常",
    "column.package": "パッケージ",
    "compared.sure": (
        "「{ours}」の誤差は「{rival}」と比べて{change}"
        "（{splits}の比の平均、95%信頼区間：{interval}）。"
    ),
    "compared.open": (
        "「{ours}」と「{rival}」の差は確認できません。測定値（{splits}の比の平均）は"
        "「{change}」ですが、95%信頼区間が{interval}と両側にまたがっています。"
    ),
    "compared.wide": (
        "「{ours}」と「{rival}」の差は確認できません。誤差がほぼ0の分割があり、"
        "比の95%信頼区間が極端に広くなっています（{splits}）。"
    ),
    "compared.once": (
        "「{ours}」の誤差は「{rival}」と比べて{change}。ただし分割は1回だけで"
        "信頼区間が求まらず、偶然の可能性があります。"
    ),
    # the verdict
    "headline.worth": "このデータでは導入する価値があります",
    "headline.unsure": "まだ判断できません",
    "headline.not_worth": "このデータでは導入する価値がありません",
    "overall.worth": (
        "{where}において、デノイジング・オートエンコーダーはどの従来手法よりも"
        "確実に優れています。"
    ),
    "overall.unsure": (
        "{where}において、測定値ではどの従来手法よりも優れていますが、"
        "今回の分割だけでは偶然でないとは言えません。"
    ),
    "overall.not_shown": (
        "{where}において、すべての従来手法に対する意味のある改善（{margin}以上）は"
        "測定されませんでしたが、今回の分割だけでは改善がないとも言えません。"
    ),
    "overall.all_round": (
        "{where}において、すべての乱れを合わせるとどの従来手法よりも確実に優れて"
        "いますが、従来手法すべてを確実に上回る個々の乱れはありません。"
    ),
    "overall.not_worth": (
        "従来手法に対して、意味のある改善（{margin}以上）は見つかりませんでした。"
    ),
    "where.denoising": "乱れた行の復元",
    "where.classification": "{target}のクラス判別",
    "where.regression": "{target}の予測",
    "where.anomaly": "異常の検出",
    "the_target": "目的変数",
    "named": "「{name}」",
    "next.deploy": (
        "次にすること：全行で学習し直し、新しい行に対して現在の方法としばらく並行で"
        "動かし、確かめてから切り替えてください。"
    ),
    "next.other_data": (
        "次にすること：関連する量を測るセンサーや、過去の行を列に加えるなど、"
        "別のデータを探してください。学習を増やしても改善しません。"
    ),
    "next.more_splits": (
        "次にすること：時間を増やし、行と分割を増やして再実行してください。"
        "信頼区間が片側に収まれば判断できます。"
    ),
    "next.name_trouble": (
        "次にすること：この現場で問題になる乱れを挙げてください。すべてを合わせると"
        "ネットワークが優れていますが、個々の乱れでは確認できていません。"
    ),
    "next.use_linear": "次にすること：線形の手法で十分です。{rivals}を使ってください。",
    "next.use_simple": "次にすること：従来手法で十分です。{rivals}を使ってください。",
    "next.for": "{where}には「{rival}」",
    "overall.once": "分割が1回だけでは確かなことは言えません。時間を増やしてください。",
    "question.overall": "導入する価値はあるか",
    "question.structure": "列どうしに関係はあるか",
    "question.schedule": "「{ours}」は「{rival}」より良いか",
    "question.denoising": "乱れた行を単純な手法よりうまく復元できるか",
    "question.downstream": "{where}に役立つか",
    "question.cost": "コストはどれだけか",
    "structure.related": "ある",
    "structure.nothing_in_common": "ない",
    "structure.unsure": "分からない",
    "structure.perhaps": "おそらくある",
    "structure.perhaps.why": (
        "平均すると、欠けた値を列の平均よりうまく復元できています。"
    ),
    "structure.unsure.why": (
        "欠けた値を列の平均より{margin}以上うまく復元した手法はありませんが、"
        "今回の分割だけでは不可能とも言えません。"
    ),
    "structure.related.why": "欠けた値を他の列から推定できます。",
    "structure.nothing_in_common.why": (
        "欠けた値を列の平均より{margin}以上うまく復元できる手法はなく、"
        "デノイジング・オートエンコーダーが学べる関係がありません。"
    ),
    "schedule.better": "良い",
    "schedule.worse": "悪い",
    "schedule.no_difference": "差は確認できない",
    "schedule.unsure": "分からない",
    "denoising.worth": "できる",
    "denoising.unsure": "できる可能性がある",
    "denoising.all_round": "全体ではできるが、個々の乱れでは差がない",
    "denoising.linear_enough": "いいえ、線形の手法で十分",
    "denoising.simple_enough": "いいえ、単純な手法で十分",
    "denoising.not_shown": "改善は確認できない",
    "denoising.not_worth": "いいえ、復元の手がかりがない",
    "wins.some": "どの単純な手法よりも確実に優れている乱れ：{troubles}。",
    "wins.none": "どの乱れでも、すべての単純な手法を確実に上回ってはいません。",
    "constant.lower": (
        "「全行に同じ答え」は従来手法に数えませんが、ここでは誤差の平均がより低く"
        "なっています（{constant}、「{rival}」：{error}）。"
    ),
    "downstream.worth": "役立つ",
    "downstream.unsure": "役立つ可能性がある",
    "downstream.not_shown": "改善は確認できない",
    "downstream.nothing_to_learn": "いいえ、この表からは何も学べない",
    "downstream.not_worth": "意味のある改善はない",
    "regime.every": "試したすべてのラベル数（{labels}）で確実に改善します。",
    "regime.few": (
        "ラベルが少ないとき（{labels}）に確実に改善します。"
        "それより多いときの改善は確認できません。"
    ),
    "regime.many": (
        "ラベルが多いとき（{labels}）に確実に改善します。"
        "それより少ないときの改善は確認できません。"
    ),
    "regime.some": "確実に改善するラベル数：{labels}。その他では確認できません。",
    "regime.none": "試したどのラベル数（{labels}）でも、確実な改善はありません。",
    "at_labels": "ラベル数：{labels}。",
    "pretraining.some": "事前学習そのものが確実に役立つラベル数：{labels}。",
    "pretraining.none": (
        "同じネットワークに事前学習が役立つことは、どのラベル数でも確認できません。"
    ),
    "cost.seconds": "1分割あたりの学習に{seconds}秒",
    "cost.seconds.why": (
        "「{rival}」では{rival_seconds}秒です。ネットワークは毎秒{rate}行を処理します。"
    ),
    "cost.memory": "メモリーは最大で{megabytes} MBです。",
    "cost.gain": "学習を1秒増やすごとに、誤差は標準偏差の{gain}倍だけ下がる計算です。",
    "cost.no_extra": "「{rival}」より長くはかかりません。",
    "cost.no_gain": "余分にかかる時間で誤差が下がることは確認できません。",
    # summary and passage
    "summary.overall": "{headline}。{why}",
    "summary.data": (
        "対象：{name}（{rows}行、{columns}列）。{splits}で、すべての手法に同じ分割を"
        "使いました。"
    ),
    "summary.answer": "{question}：{answer}{why}",
    "summary.warning": "注意：{finding}",
    "summary.unfinished": (
        "未完了：実行が中断され、{planned}分割のうち{whole}分割だけが完了しました。"
        "これまでの結果を示します。"
    ),
    "passage.title": "会議での説明用",
    "passage.start": (
        "自社のデータ「{name}」（{rows}行、{columns}列）で、デノイジング・"
        "オートエンコーダーと従来手法を、学習に使わない同じ行で比べました。"
    ),
    "passage.worth": "結論は「導入する価値あり」です。",
    "passage.unsure": "結論は「まだ判断できない」です。価値は示せていません。",
    "passage.not_worth": "結論は「このデータでは導入する価値なし」です。",
    "passage.sure": (
        "{where}では、最も強い従来手法である「{rival}」と比べて、誤差は{change}"
        "という結果でした。偶然だけでは説明しにくい差です。"
    ),
    "passage.open": (
        "{where}では、最も強い従来手法である「{rival}」との差は確認できませんでした。"
    ),
    "passage.once": (
        "{where}では、最も強い従来手法である「{rival}」と比べて、誤差は{change}"
        "という結果でした。ただし分割は1回だけで、偶然の可能性があります。"
    ),
    "passage.cost": "学習時間は1分割あたり{seconds}秒でした。",
    "passage.careful": (
        "なお、データには結果を実際より良く見せかねない点があり、注意が必要です。"
    ),
    # methods
    "method.gradual": "段階的学習",
    "method.stacked": "積層学習",
    "method.hybrid": "混合学習",
    "method.frozen": "下層固定",
    "method.joint": "一括学習",
    "method.our_detector": "検出器（{schedule}）",
    "method.as_measured": "測定値のまま",
    "method.column_mean": "列の平均",
    "method.constant": "全行に同じ答え",
    "method.pca": "主成分分析",
    "method.neighbors": "近傍の平均",
    "method.regressions": "線形回帰",
    "method.untrained": "事前学習なし",
    "method.linear_raw": "線形（元の列）",
    "method.linear_pca": "線形（主成分）",
    "method.linear_codes": "線形（当手法の符号）",
    "method.boosting": "勾配ブースティング",
    "method.isolation_forest": "Isolation Forest",
    "method.mahalanobis": "マハラノビス距離",
    "method.nearest_rows": "近傍までの距離",
    "method.pca_residual": "主成分の残差",
    "about.gradual": "層を1つずつ加え、下の層も学習を続ける（gradual）",
    "about.stacked": "固定した下の層の符号で、各層を学習する（stacked）",
    "about.hybrid": "新しい層をまず積層学習、続いて段階的学習で学習する（hybrid）",
    "about.frozen": "段階的学習と同じで、下の層だけを固定する（frozen）",
    "about.joint": "すべての層を初めから一緒に学習する（joint）",
    "about.our_detector": "当手法の異常検出器。ネットワークをこの方式で学習する",
    "about.as_measured": "届いた行のまま。欠けた値には列の平均を入れる",
    "about.column_mean": "測定値によらず、常に列の平均",
    "about.pca": "主成分への射影。主成分の数は学習行の中で選ぶ",
    "about.neighbors": "最も似ている学習行の平均",
    "about.regressions": "各値を、同じ行の他の値から線形回帰で求める",
    "about.untrained": "同じネットワークを事前学習なしで、ラベルだけから学習する",
    "about.constant": "最も多いクラスまたは平均。異常検出では当て推量",
    "about.linear_raw": "標準化した列に対する線形モデル",
    "about.linear_pca": "全学習行の主成分に対する線形モデル",
    "about.linear_codes": "判定対象のネットワークの符号に対する線形モデル",
    "about.boosting": "列に対する勾配ブースティング決定木",
    "about.isolation_forest": "無作為な分割で、その行がどれだけ早く孤立するか",
    "about.mahalanobis": "共分散を考慮した平均からの距離",
    "about.nearest_rows": "最も似ている正常な行までの距離",
    "about.pca_residual": "主成分の平面からの距離",
    # troubles
    "trouble.clean": "乱れなし",
    "trouble.sensor_noise": "測定誤差",
    "trouble.spikes": "スパイク",
    "trouble.stuck": "固着",
    "trouble.dropout": "欠測",
    "trouble.missing_blocks": "一括欠測",
    "trouble.overall": "全体",
    "about.clean": "元の行。そのまま返すのが最良の答え",
    "about.sensor_noise": "すべての値が少しずつ誤っている",
    "about.spikes": "少数の値が大きく誤っている",
    "about.stuck": "センサーがしばらく古い値を出し続ける",
    "about.dropout": "値が1つずつ失われる。誤差は失われた値についてのもの",
    "about.missing_blocks": (
        "断線などで列のまとまりが一度に失われる。誤差は失われた値についてのもの"
    ),
    "about.overall": "すべての乱れにおける誤差の幾何平均",
    # measures
    "measure.share_wrong": "誤答の割合",
    "measure.one_minus_average_precision": "1 − 平均適合率",
    "measure.rmse": "二乗平均平方根誤差",
    "measure.one_minus_auroc": "1 − ROC曲線の下側面積",
    "about.share_wrong": "0が最良です。",
    "about.one_minus_average_precision": (
        "0が最良です。誤答の割合では判断できない、まれなクラスに使います。"
    ),
    "about.rmse": "目的変数と同じ単位で、0が最良です。",
    "about.one_minus_auroc": (
        "0が最良で、0.5は当て推量と同じです。正常な行が異常な行より異常に見える"
        "割合を表します。"
    ),
    # findings
    "finding.empty": "空のため除いた列：{columns}。",
    "finding.constant": "値が変わらないため除いた列：{columns}。",
    "finding.date_time": "日時のため除いた列：{columns}。",
    "finding.id_like": "行の番号や名前にすぎないため除いた列：{columns}。",
    "finding.many_categories": "異なる値が多すぎる文字列のため除いた列：{columns}。",
    "finding.infinite": "無限大の値を欠測として扱った列：{columns}。",
    "finding.duplicate_rows": (
        "{rows}行（{share}）が重複しています。学習行の写しが評価行に混ざると、"
        "どの手法も実際より良く見えます。"
    ),
    "finding.telling_column": (
        "1列だけで目的変数がほぼ完全に分かります：{columns}（スコア{scores}）。"
        "目的変数の後で初めて分かる列なら、除いて再実行してください。"
    ),
    "finding.unlabelled_rows": (
        "{rows}行には目的変数がなく、事前学習だけに使いました。"
    ),
    "finding.rows_in_order": (
        "時系列の記録のように、隣り合う行が似ています。無作為な分割では結果が"
        "良く見えすぎるので、時刻またはバッチの列を指定してください。"
    ),
    "finding.rows_in_time": (
        "時系列の記録のように、隣り合う行が似ています。無作為な分割では結果が"
        "良く見えすぎるので、時刻の列（おそらく{columns}：{option}）またはバッチの列を"
        "指定してください。"
    ),
    "finding.repeated": "1分割で最大{rows}行の評価行が、学習行にも含まれています。",
    "finding.other": "{code}：{columns}",
    "finding.most": "…（全{n}列）",
    "findings.none": "特に問題は見つかりませんでした。",
    "severity.warning": "注意",
    "severity.note": "参考",
    # what was left out
    "late": (
        "時間の予算：{budget}分。実際には{took}分かかりました。最小の実行でも予算を"
        "超えたか、計算機が混んでいました。"
    ),
    "left_out.title": "省いたもの",
    "left_out.none": "ありません。求められたものはすべて実行しました。",
    "left_out.why": (
        "時間の予算または行数の上限に合わせるため、求められたものより小さくして実行"
        "しました。時間を増やせば、答えはより確かになります。"
    ),
    "left_out.schedules": "学習方式：{run}（指定：{asked}）。",
    "left_out.label_counts": "ラベル数：{run}（指定：{asked}）。",
    "left_out.max_iter": "エポック数：{asked}のうち{run}。",
    "left_out.rows": "行数：{asked}のうち無作為に選んだ{run}。",
    "left_out.splits": "分割数：{asked}のうち{run}。",
    "left_out.other": "{what}：{asked}のうち{run}。",
    # the page
    "title": "概念実証：{name}",
    "lead": "このデータにデノイジング・オートエンコーダーは有効か",
    "made": "作成：{when}、skdae {version}",
    "contents": "目次",
    "verdict.title": "結論",
    "data.title": "データ",
    "data.findings": "データについて分かったこと",
    "data.columns": "使用したすべての列",
    "data.facts": "概要",
    "fact.rows": "使用した行",
    "fact.columns": "使用した列",
    "fact.missing": "欠測の割合",
    "fact.target": "目的変数",
    "fact.task": "課題",
    "fact.classes": "クラスごとの行数",
    "fact.known": "目的変数のある行",
    "fact.order": "順序",
    "fact.groups": "グループ数",
    "order.time": "時間順：過去から学習し、その後の行で評価",
    "order.random": "なし：評価行は無作為に選択",
    "order.groups": "グループ単位で評価用に取り分け",
    "task.none": "なし",
    "task.classification": "分類",
    "task.regression": "回帰",
    "task.anomaly": "異常検出",
    "denoising.title": "実験1：乱れた行の復元",
    "denoising.intro": (
        "学習に使わない行に既知の乱れを加え、復元します。誤差は、標準偏差を単位と"
        "した各列の二乗平均平方根誤差を、列について平均したものです。0が最良で、"
        "列の平均を答えると約1になります。重みの更新回数はすべての学習方式で同じです。"
    ),
    "denoising.plot": "乱れごとの各手法の誤差",
    "denoising.table": "手法と乱れごとの誤差（95%信頼区間つき）",
    "denoising.columns": "列ごとの誤差（元の単位）",
    "denoising.columns.intro": (
        "各列の単位での二乗平均平方根誤差。分割についての平均です。"
    ),
    "denoising.columns.cut": (
        "表が大きいため、判定対象の学習方式と、最も強い単純な手法だけを示します。"
        "すべての手法はJSONファイルにあります。"
    ),
    "downstream.title": "実験2：{where}",
    "downstream.title.none": "実験2：目的の課題",
    "downstream.none": (
        "目的変数が指定されなかったため、課題は試していません。指定すると、"
        "事前学習が役立つかどうかを調べられます。"
    ),
    "downstream.intro": (
        "低いほど良い値です。評価行はどの選択にも使っていません。指標：{measure}。"
    ),
    "downstream.plot": "ラベル数と誤差",
    "downstream.plot.one": "手法ごとの誤差",
    "downstream.table": "手法とラベル数ごとの誤差（95%信頼区間つき）",
    "downstream.regime": "このデータはどの領域にあるか",
    "downstream.regime.table": "ラベル数ごとの答え",
    "resources.title": "実験3：時間と資源",
    "resources.intro": (
        "この実行を行った計算機での、分割についての平均です。最大メモリーは、"
        "新しいプロセスが学習で増やした量で、重い手法についてだけ測りました。"
    ),
    "resources.table": "各手法に必要なもの",
    "kind.network": "ネットワーク",
    "kind.untrained": "課題",
    "kind.predictor": "課題",
    "kind.detector": "異常検出",
    "kind.our_detector": "異常検出",
    "kind.rebuilder": "復元",
    "differences.title": "差とその信頼区間",
    "differences.intro": (
        "同じ分割で、「{ours}」の誤差を他の各手法と比べたものです。「良い」「悪い」は、"
        "95%信頼区間全体がその側にあるときだけ示します。"
    ),
    "differences.denoising": "乱れた行の復元",
    "differences.downstream": "目的の課題",
    "is.better": "良い",
    "is.worse": "悪い",
    "is.open": "差は確認できない",
    "is.once": "1分割のため不明",
    "method.title": "測定の方法",
    "method.splits.random": "繰り返し交差検証：どの手法にも同じ分割を使いました。",
    "method.splits.time": (
        "時間のブロック：どの手法も同じ分割で、先の行から学習し、後の行で評価しました。"
    ),
    "method.splits.groups": (
        "グループ単位の取り分け：どの手法にも同じ分割を使いました。"
    ),
    "method.choices": (
        "評価行はどの選択にも使っていません。主成分の数や罰則の強さは、学習行の中で"
        "選びました。"
    ),
    "method.means": (
        "表と図の誤差は、分割についての平均です。差は、結論の中でも分割ごとに求めた"
        "比の幾何平均です。誤差の大きい分割に左右される、平均どうしの比とは一致しません。"
    ),
    "method.intervals": (
        "信頼区間は、誤差の対数の対応のある差についての95%信頼区間です。分割どうしが"
        "学習行を共有することを補正したNadeauとBengioのt検定によります"
        "（Inference for the generalization error、2003年）。誤差の平均の信頼区間も"
        "対数で求めるため、0を下回りません。"
    ),
    "method.rule": (
        "「良い」は、信頼区間全体が差なしより下にあることを意味します。「価値がある」は、"
        "すべての従来手法より{margin}以上良いことを意味します。「価値がない」は、"
        "ある従来手法に対する信頼区間がその大きさの改善を否定することを意味します。"
        "どちらでもなければ、まだ判断できません。"
    ),
    "method.methods": "手法",
    "method.troubles": "乱れ",
    "method.splits.table": "分割",
    "method.warnings": "実行中のライブラリーの警告",
    "reproduce.title": "再現の方法",
    "reproduce.intro": (
        "同じ表とこれらの版を使えば、時間と、時間の予算で省かれる部分を除いて、"
        "上の数値が再現されます。"
    ),
    "reproduce.call": "呼び出し",
    "reproduce.versions": "版",
    "trace": (
        "このページの数値はすべて、隣のJSONファイルにあります。数値を指すと場所が"
        "表示されます。"
    ),
    "column.answer": "答え",
    "column.code": "判定",
    "column.cpu": "CPU秒",
    "column.deviation": "標準偏差",
    "column.difference": "差",
    "column.interval": "95%信頼区間",
    "column.kind": "種類",
    "column.labels": "ラベル数",
    "column.mean": "平均",
    "column.meaning": "意味",
    "column.method": "手法",
    "column.missing": "欠測",
    "column.name": "列",
    "column.p": "p値",
    "column.parameters": "重みの数",
    "column.peak": "最大メモリー（MB）",
    "column.pretraining": "事前学習なしとの比較",
    "column.rate": "毎秒の行数",
    "column.repeated": "学習行にもある評価行",
    "column.rival": "比較相手",
    "column.seconds": "秒",
    "column.size": "大きさ（kB）",
    "column.split": "分割",
    "column.test": "評価行",
    "column.train": "学習行",
    "column.trouble": "乱れ",
    "column.updates": "重みの更新回数",
    "column.use": "用途",
    "column.version": "版",
    "kind.numeric": "数値",
    "kind.text": "文字列",
    "plot.axis.denoising": "誤差（標準偏差を単位として）",
    "plot.axis.labels": "ラベル数",
    "plot.intervals": (
        "線は95%信頼区間で、図の端で切っています。塗りつぶした菱形は判定対象の学習方式、"
        "四角は他の学習方式やネットワーク、丸はその他の手法です。"
    ),
    "plot.denoising.about": "{trouble}での誤差。最も低いのは{best}。",
    "plot.downstream.about": "ラベル数と{measure}。最も多いときに最も低いのは{best}。",
}
