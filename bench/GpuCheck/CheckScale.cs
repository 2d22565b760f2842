namespace PdEngine.Bench;

/// <summary>Sizes of everything: of a GPU, or of an emulator that has the same things to prove.</summary>
internal sealed record CheckScale
{
    public static CheckScale Full { get; } = new();

    /// <summary>Seconds under the emulator.</summary>
    public static CheckScale Toy { get; } = new()
    {
        IsToy = true,
        ParityBatches = [1, 2, 5],
        ParityContexts = [15, 64, 70],
        ParityHeads = new(4, 2, 16),
        ParityChunk = 64,
        ProductParity = (40, 64, 48),
        ProductRows = [1, 17],
        OpRows = [1, 5],
        OpWidth = 64,
        Vocabulary = 200,
        SampleRows = 6,
        AttentionHeads = [new(4, 2, 16), new(4, 1, 128)],
        AttentionLengths = [1, 20, 70],
        EngineBatches = [1, 2],
        EngineRequests = 3,
        EngineTokens = 4,
        CopyBytes = 1 << 16,
        CeilingProduct = 64,
        DecodeBatches = [1, 2],
        DecodeContexts = [70],
        DecodeHeads = [new(4, 2, 16)],
        PrefillLengths = [40],
        KvBytes = 1 << 20,
        CacheBytes = 1 << 12,
        Models = [CheckModel.Tiny],
        ProductModels = [CheckModel.Tiny],
        ModelRows = "prefill-16,decode-1-16,decode-3-16",
        ServingModels = [CheckModel.Tiny],
        Load = new InjectionLoad
        {
            Streams = 2, StreamTokens = 6, ContextTokens = 24, InjectTokens = 32, InjectOutputTokens = 2,
            InjectAfter = 2,
        },
        ServingChunk = 32,
        ServedTokens = 2048,
    };

    /// <summary>Each thing is timed once, briefly.</summary>
    public bool IsToy { get; private init; }

    public IReadOnlyList<int> ParityBatches { get; private init; } = [1, 2, 16, 17, 64, 65, 257, 1024];

    /// <summary>Lengths of sequences that decode and prefill are compared on.</summary>
    public IReadOnlyList<int> ParityContexts { get; private init; } =
        [63, 64, 65, 100, 511, 512, 513, 4095, 4096, 4097];

    public AttentionShape ParityHeads { get; private init; } = new(32, 8, 128);

    /// <summary>Most tokens of a batch that writes K and V.</summary>
    public int ParityChunk { get; private init; } = 2048;

    /// <summary>Rows, columns and outputs of the products whose tiles are compared.</summary>
    public (int Rows, int Columns, int Outputs) ProductParity { get; private init; } = (1024, 4096, 1024);

    /// <summary>Rows of products and of row ops that are held against the reference.</summary>
    public IReadOnlyList<int> ProductRows { get; private init; } = [1, 3, 16, 17, 64, 65, 130, 257];

    public IReadOnlyList<int> OpRows { get; private init; } = [1, 2, 17, 64, 257];

    public int OpWidth { get; private init; } = 4096;

    public int Vocabulary { get; private init; } = 151_936;

    public int SampleRows { get; private init; } = 48;

    /// <summary>Heads whose attention is held against the reference.</summary>
    public IReadOnlyList<AttentionShape> AttentionHeads { get; private init; } =
        [new(4, 2, 16), new(9, 3, 32), new(8, 8, 64), new(32, 8, 64), new(16, 8, 128), new(16, 2, 128)];

    public IReadOnlyList<int> AttentionLengths { get; private init; } = [1, 63, 65, 130, 513, 1100];

    public IReadOnlyList<int> EngineBatches { get; private init; } = [1, 2, 16, 17, 64, 65];

    public int EngineRequests { get; private init; } = 65;

    /// <summary>Tokens that each makes.</summary>
    public int EngineTokens { get; private init; } = 48;

    public long CopyBytes { get; private init; } = 4L << 30;

    public int CeilingProduct { get; private init; } = 8192;

    public IReadOnlyList<int> DecodeBatches { get; private init; } = [1, 8, 32, 64, 256];

    public IReadOnlyList<int> DecodeContexts { get; private init; } = [512, 2048, 8192, 32_768];

    public IReadOnlyList<AttentionShape> DecodeHeads { get; private init; } =
        [new(64, 8, 128), new(32, 8, 128), new(16, 8, 128), new(32, 8, 64)];

    public IReadOnlyList<int> PrefillLengths { get; private init; } =
        [1024, 2048, 4096, 8192, 16_384, 32_768];

    /// <summary>Most K and V of one row.</summary>
    public long KvBytes { get; private init; } = 40L << 30;

    /// <summary>What is timed goes round so much memory that no cache holds it.</summary>
    public long CacheBytes { get; private init; } = 512L << 20;

    /// <summary>Models that are run whole.</summary>
    public IReadOnlyList<CheckModel> Models { get; private init; } =
        [CheckModel.Llama1B, CheckModel.Qwen4B, CheckModel.Llama8B];

    /// <summary>Models whose products are timed.</summary>
    public IReadOnlyList<CheckModel> ProductModels { get; private init; } =
        [CheckModel.Llama8B, CheckModel.Llama1B, CheckModel.Qwen06B, CheckModel.Qwen17B, CheckModel.Qwen8B];

    /// <summary>As <see cref="ModelRowSpec"/> reads them.</summary>
    public string ModelRows { get; private init; } =
        "prefill-512,prefill-4096,prefill-8192,decode-1-512,decode-8-512,decode-64-512,decode-256-512,"
        + "decode-1-4096,decode-8-4096,decode-64-4096,decode-256-4096";

    /// <summary>Models that are served with prefill and decode apart.</summary>
    public IReadOnlyList<CheckModel> ServingModels { get; private init; } =
        [CheckModel.Llama1B, CheckModel.Llama8B];

    public InjectionLoad Load { get; private init; } = new()
    {
        Streams = 32, StreamTokens = 256, ContextTokens = 2048, InjectTokens = 8192, InjectOutputTokens = 8,
        InjectAfter = 32,
    };

    /// <summary>Tokens that each pool of a served model holds.</summary>
    public int ServedTokens { get; private init; } = 200_000;

    /// <summary>Prompt tokens of a step.</summary>
    public int ServingChunk { get; private init; } = 2048;
}
