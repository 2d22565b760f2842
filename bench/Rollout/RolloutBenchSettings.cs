namespace PdEngine.Bench;

/// <summary>How <c>bench rollout</c> runs.</summary>
internal sealed record RolloutBenchSettings
{
    public CpuIsa Isa { get; init; } = CpuIsa.Auto;

    public required int Threads { get; init; }

    /// <summary>Samples that each arm makes.</summary>
    public int Samples { get; init; } = 64;

    /// <summary>Samples of each prompt, an arm each; the others are compared with the first.</summary>
    public IReadOnlyList<int> SamplesPerPrompt { get; init; } = [1, 8];

    /// <summary>Tokens of a prompt.</summary>
    public int PromptTokens { get; init; } = 512;

    /// <summary>Tokens of a sample.</summary>
    public int SampleTokens { get; init; } = 64;

    /// <summary>Runs of each arm, each from a cold start; the median by time counts.</summary>
    public int Repeats { get; init; } = 1;

    /// <summary>Time of each probe of the machine's limits.</summary>
    public int ProbeMilliseconds { get; init; } = 150;
}
