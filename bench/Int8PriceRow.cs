namespace PdEngine.Bench;

/// <summary>What one way of holding the weights costs in accuracy, over a file of golden cases.</summary>
internal sealed record Int8PriceRow
{
    public required string Dtype { get; init; }

    public required string Isa { get; init; }

    /// <summary>Scored tokens.</summary>
    public required int Positions { get; init; }

    /// <summary>Mean |log-prob - the independent implementation's in bf16|, in nats.</summary>
    public required double MeanDifference { get; init; }

    public required double MaxDifference { get; init; }

    /// <summary>Mean |log-prob - our own bf16's|; 0 for bf16 itself.</summary>
    public required double MeanDifferenceToBf16 { get; init; }

    /// <summary>exp of the mean negative log-prob of the texts.</summary>
    public required double Perplexity { get; init; }

    public required int Chats { get; init; }

    /// <summary>Chats whose greedy answer is the golden one, token by token.</summary>
    public required int SameChats { get; init; }

    /// <summary>Share of the golden answers' tokens that come before the first that differs.</summary>
    public required double SameTokens { get; init; }
}
