namespace PdEngine.Bench;

/// <summary>One way of serving that the benchmark compares.</summary>
/// <param name="Name">As <c>--arms</c> takes it.</param>
/// <param name="Title">As tables and charts show it.</param>
/// <param name="Kind">Who serves.</param>
/// <param name="ChunkTokens">
/// Prompt tokens of one step; for llama.cpp the tokens of one batch, decode rows included.
/// </param>
internal sealed record PdArm(string Name, string Title, PdArmKind Kind, int ChunkTokens)
{
    /// <summary>The arm that the others are held against.</summary>
    public const string Reference = "chunk-256";

    /// <summary>Every prompt in one step.</summary>
    public const int WholePrompt = -1;

    private const int LlamaServerBatch = 2048;
    private const int EngineChunk = 512;

    public static IReadOnlyList<PdArm> All { get; } =
    [
        new("whole", "colocated, whole prompts", PdArmKind.Colocated, WholePrompt),
        new("chunk-64", "colocated, chunks of 64", PdArmKind.Colocated, 64),
        new(Reference, "colocated, chunks of 256", PdArmKind.Colocated, 256),
        new("chunk-1024", "colocated, chunks of 1024", PdArmKind.Colocated, 1024),
        new("pd", "disaggregated 1 + 1", PdArmKind.Disaggregated, EngineChunk),
        new("pd-lend", "disaggregated 1 + 1, lending", PdArmKind.DisaggregatedLending, EngineChunk),
        new("llama", "llama.cpp, batches of 2048", PdArmKind.Peer, LlamaServerBatch),
        new("llama-256", "llama.cpp, batches of 256", PdArmKind.Peer, 256),
    ];

    public bool IsDisaggregated => Kind is PdArmKind.Disaggregated or PdArmKind.DisaggregatedLending;

    public bool IsPeer => Kind is PdArmKind.Peer;

    /// <summary>Arms by name in the order of <see cref="All"/>; no names are all.</summary>
    /// <exception cref="OptionsException">There is no such arm.</exception>
    public static IReadOnlyList<PdArm> Parse(string? names)
    {
        if (names is null)
            return All;
        HashSet<string> wanted =
            [.. names.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
        string? unknown = wanted.FirstOrDefault(name => All.All(arm => arm.Name != name));
        if (unknown is not null || wanted.Count == 0)
        {
            throw new OptionsException("--arms",
                $"there is no arm '{unknown}'; there are {string.Join(", ", All.Select(arm => arm.Name))}");
        }
        return [.. All.Where(arm => wanted.Contains(arm.Name))];
    }
}
