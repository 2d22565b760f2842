namespace PdEngine.Tests;

/// <summary>Engines in int8: the option, the override, and what stays bitwise the same.</summary>
[CancelAfter(120_000)]
public sealed class Int8EngineTests
{
    private const string Override = "quantization: w8a8_int8";

    private static readonly GenerateRequest[] Requests = EngineRig.Requests(24, seed: 41);

    [Test]
    public async Task A_hand_off_changes_nothing(
        [ValueSource(typeof(PdRig), nameof(PdRig.Backends))] string backend,
        [Values("1P+1D", "1Px2+1Dx4")] string shape, [Values] KvDomainKind domain)
    {
        Generation[] alone = await AloneAsync(backend);
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options(shape, DisaggregateMode.Always, domain, backend, Override));
        for (int run = 0; run < 2; run++)
        {
            Generation[] apart = await EngineRig.AtOnceAsync(engine, Requests, seed: run);
            EngineRig.AssertSame(alone, apart, $"run {run}");
            PdRig.AssertPath(apart, PdRig.PathOf(domain), $"run {run}");
        }
        await PdRig.AssertAllFreeAsync(engine, shape);
    }

    [Test]
    public async Task Chunks_and_batches_change_nothing([Values(7, 64, -1)] int chunk)
    {
        Generation[] alone = await AloneAsync("");
        await using Engine engine = await Engine.StartAsync(EngineRig.Options() with
        {
            Quantization = Quantization.W8A8Int8, ChunkedPrefillSize = chunk,
        });
        EngineRig.AssertSame(alone, await EngineRig.AtOnceAsync(engine, Requests, seed: chunk), $"{chunk}");
    }

    [Test]
    public async Task Services_share_weights_only_where_they_are_quantised_alike()
    {
        const string yaml = """
            sglang:
              - name: plain
                server_groups: [{worker_type: regular, num_gpus: 1}]
              - name: rounded
                server_groups:
                  - {worker_type: regular, num_gpus: 1, overrides: {quantization: w8a8_int8}}
            """;
        string folder = EngineRig.Folder();
        Topology plan = Plans.Of(yaml, new TopologyFlags { HfCheckpoint = folder });
        Generation[] rounded = await AloneAsync("");
        Generation[] plain = await PdRig.AloneAsync("", Requests);
        await using Engine engine = await Engine.StartAsync(
            EngineRig.Options() with { Topology = plan, Services = ["plain", "rounded"] });
        EngineRig.AssertSame(plain, await engine.GetModel("plain").GenerateAsync(Requests), "plain");
        EngineRig.AssertSame(rounded, await engine.GetModel("rounded").GenerateAsync(Requests), "rounded");
        Assert.That(rounded.SelectMany(one => one.OutputLogProbs).Select(one => one.LogProb),
            Is.Not.EqualTo(plain.SelectMany(one => one.OutputLogProbs).Select(one => one.LogProb)));
    }

    [Test]
    public void Groups_of_one_service_must_be_quantised_alike()
    {
        TopologyException refusal = Assert.Throws<TopologyException>(() => Plans.Of($$"""
            sglang:
              - name: m
                server_groups:
                  - {worker_type: prefill, num_gpus: 1}
                  - {worker_type: decode, num_gpus: 1, overrides: { {{Override}} } }
            """))!;
        Assert.That(refusal.Message, Does.Contain("quantization").And.Contain("w8a8_int8"));
    }

    private static Task<Generation[]> AloneAsync(string backend) => EngineRig.OneByOneAsync(
        PdRig.On(EngineRig.Options(), backend) with { Quantization = Quantization.W8A8Int8 }, Requests);
}
