namespace PdEngine;

/// <summary>Everything about a model that is not a weight, in one form whatever file it came from.</summary>
internal sealed record ModelConfig
{
    public required ModelFamily Family { get; init; }
    public required int VocabularySize { get; init; }
    public required int HiddenSize { get; init; }
    public required int IntermediateSize { get; init; }
    public required int LayerCount { get; init; }
    public required int HeadCount { get; init; }
    public required int KvHeadCount { get; init; }
    public required int HeadDim { get; init; }
    public required float RmsNormEpsilon { get; init; }

    /// <summary>Longest sequence in tokens that the checkpoint was made for.</summary>
    public required int MaxPositions { get; init; }

    public required RopeConfig Rope { get; init; }
    public bool TieWordEmbeddings { get; init; }

    /// <summary>
    /// It was made to judge (a sequence classification of one label): the head makes one number, the reward,
    /// of a sequence's last token, and there are no logits.
    /// </summary>
    public bool IsReward { get; init; }

    /// <summary>Numbers that the head makes of a token.</summary>
    public int HeadRows => IsReward ? 1 : VocabularySize;

    /// <summary>Biases on q, k and v.</summary>
    public bool QkvBias { get; init; }

    /// <summary>Bias on o_proj.</summary>
    public bool OutputBias { get; init; }

    /// <summary>Biases on gate, up and down.</summary>
    public bool MlpBias { get; init; }

    /// <summary>RMSNorm over each query and key head, before RoPE.</summary>
    public bool QkNorm { get; init; }

    /// <summary>
    /// Per layer, how many of the latest positions attention sees, itself included; 0 is all of them.
    /// </summary>
    public required IReadOnlyList<int> SlidingWindows { get; init; }

    /// <summary>Ids that end a generation: the union of config.json's and generation_config.json's.</summary>
    public IReadOnlyList<int> EosTokenIds { get; init; } = [];

    /// <summary>The id that starts a sequence, where the checkpoint names one.</summary>
    public int? BosTokenId { get; init; }
}
