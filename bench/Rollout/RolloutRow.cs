namespace PdEngine.Bench;

/// <summary>
/// What an arm took; FLOPs are those that it must compute: each prompt once, and every token of a sample.
/// </summary>
internal sealed record RolloutRow : BenchRow
{
    public required int Prompts { get; init; }

    public required int SamplesPerPrompt { get; init; }

    /// <summary>Prompt tokens that went through the model.</summary>
    public required long PrefillTokens { get; init; }

    /// <summary>Prompt tokens that samples had from others, as each sample's result says.</summary>
    public required long CachedTokens { get; init; }

    /// <summary>Time from the start until every sample had its first token, in the median.</summary>
    public required double FirstTokenSeconds { get; init; }

    /// <summary>Its tokens a second over those of the first arm.</summary>
    public required double Ratio { get; init; }
}
