namespace PdEngine;

/// <summary>Which distribution reported log-probs are of, in natural logarithm.</summary>
public enum LogProbMode
{
    /// <summary>
    /// After bias and penalties, divided by the temperature (0 counts as 1), full vocabulary.
    /// </summary>
    Tempered = 0,

    /// <summary>The model's own logits, full vocabulary.</summary>
    Raw = 1,

    /// <summary>What the token was drawn from: after top-k, top-p and min-p, renormalised.</summary>
    Processed = 2,
}
