namespace PdEngine.Tests;

/// <summary>A backend that tests run on, and how near it must come to the goldens.</summary>
/// <param name="Name">As test names show it.</param>
/// <param name="Open">Makes one; null where this machine cannot run it.</param>
/// <param name="Missing">Why it cannot be run here.</param>
/// <param name="Bounds">What its log-probs are held to.</param>
internal sealed record TestBackend(string Name, Func<IBackend>? Open, string? Missing, GoldenBounds Bounds)
{
    public override string ToString() => Name;
}

/// <summary>Bounds on |log-prob - golden|, in nats.</summary>
internal sealed record GoldenBounds
{
    /// <summary>Weights and cache are float32, so logits and every greedy token must agree too.</summary>
    public required bool IsExact { get; init; }

    /// <summary>Mean over a tiny model's golden positions.</summary>
    public required double TinyMean { get; init; }

    public required double TinyMax { get; init; }

    /// <summary>Greedy tokens must agree on tiny models whose least margin is over this.</summary>
    public required double TinyGreedyMargin { get; init; }

    /// <summary>The variant of SmolLM2's goldens to compare with.</summary>
    public required string RealVariant { get; init; }

    /// <summary>Mean over all of SmolLM2's golden positions.</summary>
    public required double RealMean { get; init; }

    public required double RealMax { get; init; }

    /// <summary>SmolLM2's greedy tokens must agree up to the first margin under this.</summary>
    public required double RealGreedyMargin { get; init; }

    /// <summary>Only SmolLM2's chats are run, not its long texts: an oracle need not be fast.</summary>
    public required bool RealChatsOnly { get; init; }

    /// <summary>At most so many of SmolLM2's cases are run.</summary>
    public int MostRealCases { get; init; } = int.MaxValue;

    public static GoldenBounds Float32 { get; } = new()
    {
        IsExact = true, TinyMean = 1e-4, TinyMax = 1e-4, TinyGreedyMargin = 0, RealVariant = "dequantised",
        RealMean = 1e-3, RealMax = 1e-3, RealGreedyMargin = 1e-3, RealChatsOnly = true,
    };

    public static GoldenBounds BFloat16 { get; } = new()
    {
        IsExact = false, TinyMean = 0.02, TinyMax = 0.1, TinyGreedyMargin = 0.05, RealVariant = "bf16",
        RealMean = 0.025, RealMax = 0.5, RealGreedyMargin = 0.1, RealChatsOnly = false,
    };

    /// <summary>
    /// Held to the same, but slow; what its tiles compute is compared with real ones bit by bit elsewhere.
    /// </summary>
    public static GoldenBounds Emulated { get; } = BFloat16 with { RealChatsOnly = true, MostRealCases = 1 };
}

/// <summary>Every backend that the tests know, runnable here or not.</summary>
internal static class TestBackends
{
    public static IEnumerable<TestBackend> All()
    {
        int threads = Environment.ProcessorCount;
        yield return new("reference", () => new ReferenceBackend(threads), null, GoldenBounds.Float32);
        foreach (CpuIsa isa in CpuIsaSupport.All)
        {
            string? missing = CpuIsaSupport.WhyNot(isa);
            GoldenBounds bounds = isa == CpuIsa.AmxEmulated ? GoldenBounds.Emulated : GoldenBounds.BFloat16;
            yield return new(
                CpuIsaSupport.NameOf(isa), missing is null ? () => Open(isa) : null, missing, bounds);
        }
    }

    private static CpuBackend Open(CpuIsa isa) => CpuDevices.Open(new CpuBackendOptions { Isa = isa })[0];

    /// <summary>Names of all, for case sources.</summary>
    public static IEnumerable<string> Names() => All().Select(backend => backend.Name);

    /// <summary>The named backend; the test is skipped where this machine cannot run it.</summary>
    public static TestBackend Require(string name)
    {
        TestBackend backend = All().Single(backend => backend.Name == name);
        if (backend.Open is null)
            Assert.Ignore($"backend '{name}' cannot run here: {backend.Missing}");
        return backend;
    }
}
