namespace PdEngine.Bench;

/// <summary>What <c>bench kernels</c> sweeps over.</summary>
internal sealed record KernelSettings
{
    /// <summary><c>matmul</c>, <c>attention</c> and the names of <see cref="SmallKernels.Ops"/>.</summary>
    public required IReadOnlyList<string> Ops { get; init; }

    public required IReadOnlyList<KernelShape> Shapes { get; init; }

    /// <summary>Heads of attention; empty takes those of the shapes.</summary>
    public IReadOnlyList<AttentionShape> Heads { get; init; } = [];

    /// <summary>Rows of products and small ops; those of prompts are also the prompts of attention.</summary>
    public required IReadOnlyList<int> Rows { get; init; }

    /// <summary>Sequences of attention that decode.</summary>
    public required IReadOnlyList<int> Batches { get; init; }

    /// <summary>Positions behind each sequence.</summary>
    public required IReadOnlyList<int> Contexts { get; init; }

    /// <summary>Resolved ones.</summary>
    public required IReadOnlyList<CpuIsa> Isas { get; init; }

    public required IReadOnlyList<int> Threads { get; init; }

    public WeightDtype Dtype { get; init; }

    /// <summary>Tokens of a chunk of a prompt that attends over each context.</summary>
    public int ChunkTokens { get; init; } = 256;

    /// <summary>Time that the runs of one row may take, about.</summary>
    public int RowMilliseconds { get; init; } = 80;

    /// <summary>Time of one probe.</summary>
    public int ProbeMilliseconds { get; init; } = 100;

    /// <summary>Most times that rows are measured, where the limits move meanwhile.</summary>
    public int Attempts { get; init; } = 3;
}
