namespace PdEngine.Examples;

/// <summary>One sequence to learn from. Lists by position have an entry for every token.</summary>
internal sealed class TrainingSequence
{
    public required int[] Tokens { get; init; }

    /// <summary>True at tokens that the model wrote, which are learned; never at the first.</summary>
    public required bool[] IsResponse { get; init; }

    /// <summary>Log-probs at rollout, at response tokens; empty in supervised learning.</summary>
    public float[] RolloutLogProbs { get; init; } = [];

    /// <summary>
    /// Weights were swapped under it: no weights give its rollout's log-probs again.
    /// </summary>
    public bool HasMixedKv { get; init; }

    /// <summary>Log-probs of the frozen reference, at response tokens; empty without a KL term.</summary>
    public float[] ReferenceLogProbs { get; set; } = [];

    public float Advantage { get; set; }

    /// <summary>Log-probs of the weights now trained, at response tokens; written by the trainer.</summary>
    public float[] LogProbs { get; set; } = [];

    public int ResponseCount
    {
        get
        {
            int count = 0;
            foreach (bool isResponse in IsResponse)
                count += isResponse ? 1 : 0;
            return count;
        }
    }
}
