using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>
/// One draw, or one score, from one row of logits. Blittable: it crosses to native code as it is.
/// </summary>
/// <remarks>
/// The definition, for any backend: z = logits; suppressed ids become -inf; z += bias; for each distinct id
/// of the history z = z &gt; 0 ? z / repetition : z * repetition; for each distinct id of the history's
/// output part (from <see cref="PromptCount"/> on) z -= frequency * count + presence. Tempered z' = z /
/// temperature (0 counts as 1). Log-probs are z' - logsumexp(z') over the full vocabulary (or of the raw
/// logits, or of the kept set, by mode). A draw at temperature 0 is the argmax of z, lowest id on ties.
/// Otherwise tokens are ranked by (z' descending, id ascending); kept are those with rank below topK, whose
/// mass before them is at most topP (joint: of the full softmax; sequential: of the softmax over the topK),
/// and whose probability is at least minP times the largest (sequential: after the other filters; the same
/// set either way); drawn is the kept token with the largest z' + Gumbel(seed, position, id), lowest id on
/// ties.
/// </remarks>
[StructLayout(LayoutKind.Sequential)]
internal struct SampleRow
{
    /// <summary>Seed of the draw.</summary>
    public ulong Seed;

    /// <summary>Row of the logits, counted over the whole batch.</summary>
    public int LogitsRow;

    /// <summary>Position in the sequence of the token to be drawn or scored.</summary>
    public int Position;

    /// <summary>The token to score; -1 draws one.</summary>
    public int Target;

    /// <summary>How many of the most likely tokens to report.</summary>
    public int TopCount;

    /// <summary>Index in the flat results of the first of them.</summary>
    public int FirstTop;

    public float Temperature;
    public float TopP;
    public float MinP;

    /// <summary>-1 keeps all.</summary>
    public int TopK;

    /// <summary>A <see cref="PdEngine.TopPMode"/>.</summary>
    public int TopPMode;

    /// <summary>A <see cref="PdEngine.LogProbMode"/>.</summary>
    public int LogProbMode;

    public float RepetitionPenalty;
    public float FrequencyPenalty;
    public float PresencePenalty;

    /// <summary>Range in the flat history ids; empty where no penalty is set.</summary>
    public int FirstHistory;
    public int HistoryCount;

    /// <summary>How many leading history tokens count as prompt.</summary>
    public int PromptCount;

    /// <summary>Range in the flat bias arrays.</summary>
    public int FirstBias;
    public int BiasCount;

    /// <summary>Range in the flat suppressed ids (stop ids before MinNewTokens).</summary>
    public int FirstSuppressed;
    public int SuppressedCount;
}
