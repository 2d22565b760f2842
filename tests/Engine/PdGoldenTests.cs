namespace PdEngine.Tests;

/// <summary>Parity over golden models and a real checkpoint.</summary>
[Category("Goldens")]
[CancelAfter(240_000)]
public sealed class PdGoldenTests
{
    private const int RequestCount = 12;

    [TestCaseSource(nameof(Cases))]
    public async Task Golden_models_get_the_same_apart(string backend, string name)
    {
        string folder = TestFiles.Golden("models", name);
        if (!TinyGoldens.IsDense(folder))
            Assert.Ignore("not a dense family of this engine");
        int vocabulary = TinyGoldens.Config(folder).GetProperty("vocab_size").GetInt32();
        GenerateRequest[] requests = EngineRig.Requests(RequestCount, seed: 8, vocabulary);
        Generation[] alone = await PdRig.AloneAsync(backend, requests, folder);
        string[] shapes =
            backend == "reference" ? ["1P+3D", "1Px2+1Dx4"] : ["1P+3D", "1Px2+2D", "1P+1Dx4", "1Px4+1Dx2"];
        foreach (string shape in shapes)
        {
            foreach (KvDomainKind domain in Enum.GetValues<KvDomainKind>())
            {
                string what = $"{name} {shape} {domain}";
                EngineOptions options = PdRig.Options(
                    shape, DisaggregateMode.Always, domain, backend,
                    overrides: "chunked_prefill_size: 50, max_total_tokens: 512", folder);
                await using Engine engine = await Engine.StartAsync(options);
                for (int run = 0; run < 2; run++)
                {
                    Generation[] apart = await EngineRig.AtOnceAsync(engine, requests, seed: run);
                    EngineRig.AssertSame(alone, apart, $"{what}, run {run}");
                    PdRig.AssertPath(apart, PdRig.PathOf(domain), what);
                }
                await PdRig.AssertAllFreeAsync(engine, what);
            }
        }
    }

    [TestCase(KvDomainKind.Host)]
    [TestCase(KvDomainKind.Device)]
    public async Task SmolLM2_says_the_same_apart(KvDomainKind domain)
    {
        string path = TestFiles.SmolLm2();
        string system = "You are terse. ";
        GenerateRequest[] requests =
        [
            .. new[] { "Tell me of the sea.", "Name three colours, and why.", "Count to ten in words." }
                .Select((text, index) => new GenerateRequest
                {
                    Text = string.Concat(Enumerable.Repeat(system, 12)) + text,
                    Sampling = new SamplingParams
                    {
                        MaxNewTokens = 4, IgnoreEos = true, SamplingSeed = (ulong)index,
                        Temperature = index % 2,
                    },
                    ReturnLogProb = true, LogProbStartLen = index == 0 ? 50 : -1, TopLogProbsNum = index,
                }),
        ];
        EngineOptions one = EngineRig.Options(path) with { MaxTotalTokens = 1024 };
        Generation[] alone = await EngineRig.OneByOneAsync(one, requests);
        EngineOptions options = PdRig.Options(
            "1P+1D", DisaggregateMode.Always, domain, overrides: "chunked_prefill_size: 32", folder: path);
        await using Engine engine = await Engine.StartAsync(options with { MaxTotalTokens = 1024 });
        for (int run = 0; run < 2; run++)
        {
            Generation[] apart = await EngineRig.AtOnceAsync(engine, requests, seed: run);
            EngineRig.AssertSame(alone, apart, $"run {run}");
            PdRig.AssertPath(apart, PdRig.PathOf(domain), $"run {run}");
        }
    }

    private static IEnumerable<object[]> Cases()
    {
        string[] names = TestFiles.HasGolden("models")
            ? [.. Directory.GetDirectories(Path.Combine(TestFiles.GoldensFolder, "models")).Order()
                .Select(folder => Path.GetFileName(folder))]
            : ["absent"];
        return PdRig.Backends().SelectMany(backend => names.Select(name => new object[] { backend, name }));
    }
}
