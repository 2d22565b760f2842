using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary>Several models of one plan in one engine.</summary>
[CancelAfter(120_000)]
public sealed class PdModelsTests
{
    private const int RequestCount = 24;
    private static readonly GenerateRequest[] Requests = EngineRig.Requests(RequestCount, seed: 31);

    [Test]
    public async Task Each_service_has_its_own_weights_workers_router_and_cache([Values] KvDomainKind domain)
    {
        string other = OtherFolder();
        EngineOptions options = Options(other, domain) with { Services = ["actor", "ref", "judge"] };
        Generation[] actorAlone = await PdRig.AloneAsync("", Requests);
        Generation[] judgeAlone = await PdRig.AloneAsync("", Requests, other);
        await using Engine engine = await Engine.StartAsync(options);
        Assert.That(engine.Models.Select(model => model.Name),
            Is.EqualTo(new[] { "actor", "ref", "judge" }));
        Assert.That(engine.GetModel("ref").Workers.Select(worker => worker.Name),
            Is.EqualTo(new[] { "regular-0", "regular-1" }));
        for (int run = 0; run < 2; run++)
        {
            Task<IReadOnlyList<Generation>>[] tasks =
                [.. engine.Models.Select(model => model.GenerateAsync(Requests))];
            EngineRig.AssertSame(actorAlone, await tasks[0], $"actor, run {run}");
            EngineRig.AssertSame(actorAlone, await tasks[1], $"ref, run {run}");
            EngineRig.AssertSame(judgeAlone, await tasks[2], $"judge, run {run}");
            PdRig.AssertPath(await tasks[0], PdRig.PathOf(domain), "actor");
            Assert.That((await tasks[1]).Select(one => one.PdPath), Is.All.EqualTo(PdPath.Local));
            PdRig.AssertPath(await tasks[2], PdRig.PathOf(domain), "judge");
        }
        Assert.That(judgeAlone.Select(one => one.OutputIds[0]),
            Is.Not.EqualTo(actorAlone.Select(one => one.OutputIds[0])), "the checkpoints differ");
        await PdRig.AssertAllFreeAsync(engine, $"{domain}");
    }

    [Test]
    public async Task What_one_service_has_computed_no_other_finds()
    {
        EngineOptions options =
            Options(OtherFolder(), KvDomainKind.Host) with { Services = ["ref", "actor"] };
        GenerateRequest request = new()
        {
            InputIds = EngineRig.Ids(new Random(4), 100), Sampling = new() { MaxNewTokens = 3 },
        };
        await using Engine engine = await Engine.StartAsync(options);
        await engine.GenerateAsync(request);
        Assert.That((await engine.GenerateAsync(request)).CachedTokens, Is.EqualTo(96));
        EngineModel actor = engine.GetModel("actor");
        Assert.That((await actor.GenerateAsync(request)).CachedTokens, Is.Zero);
        Assert.That((await actor.GenerateAsync(request)).CachedTokens, Is.EqualTo(96));
        Assert.That(actor.Metrics.PrefillTokens, Is.EqualTo(104));
        actor.FlushCache();
        Assert.That(() => actor.Metrics.CachedBlocks, Is.Zero.After(60_000, 1));
        Assert.That(engine.Metrics.CachedBlocks, Is.GreaterThan(0), "the other's cache stays");
        actor.KillWorker("decode-0");
        Assert.That((await engine.GenerateAsync(request)).FailureCount, Is.Zero);
    }

    [Test]
    public async Task The_first_that_takes_updates_is_served_where_none_is_named()
    {
        await using Engine engine = await Engine.StartAsync(Options(OtherFolder(), KvDomainKind.Host));
        Assert.That(engine.Models.Select(model => model.Name), Is.EqualTo(new[] { "actor" }));
        Assert.That(Assert.Throws<OptionsException>(() => engine.GetModel("judge"))!.Message,
            Does.Contain("actor"));
    }

    [TestCase(DisaggregateMode.Always, KvDomainKind.Host)]
    [TestCase(DisaggregateMode.Always, KvDomainKind.Device)]
    [TestCase(DisaggregateMode.Auto, KvDomainKind.Device)]
    public async Task Disposal_ends_every_request_of_every_service_with_what_it_has(
        DisaggregateMode mode, KvDomainKind domain)
    {
        string other = OtherFolder();
        EngineOptions options = Options(other, domain) with
        {
            Services = ["actor", "judge", "ref"], Disaggregate = mode,
        };
        Generation[][] alone =
            [await PdRig.AloneAsync("", Requests), await PdRig.AloneAsync("", Requests, other)];
        for (int tokens = 0; tokens < 40; tokens += 8)
        {
            Engine engine = await Engine.StartAsync(options);
            TokenStream[] streams =
                [.. engine.Models.SelectMany(model => Requests.Select(model.Stream))];
            PdRig.WaitFor(() => engine.Metrics.OutputTokens >= tokens,
                streams.Select(stream => stream.Completion));
            await engine.DisposeAsync();
            for (int i = 0; i < streams.Length; i++)
            {
                Assert.That(streams[i].Completion.IsCompleted, $"{tokens} tokens, stream {i}");
                Generation got = await streams[i].Completion;
                Generation whole = alone[i / RequestCount == 1 ? 1 : 0][i % RequestCount];
                Assert.That(got.Error, Is.Null);
                Assert.That(got.OutputIds, Is.EqualTo(whole.OutputIds.Take(got.OutputIds.Count)));
                PdRig.AssertTimes([got], $"{tokens} tokens, stream {i}");
            }
            Assert.Throws<ObjectDisposedException>(() => engine.Stream(Requests[0]));
            Assert.Throws<ObjectDisposedException>(() => engine.GetModel("judge").Stream(Requests[0]));
        }
    }

    private static EngineOptions Options(string other, KvDomainKind domain)
    {
        string yaml = $"""
            sglang:
              - name: actor
                server_groups:
                  - {PdRig.Group("1P")}
                  - {PdRig.Group("1D")}
              - name: ref
                update_weights: false
                server_groups:
                  - {PdRig.Group("2R")}
              - name: judge
                model_path: {other}
                update_weights: false
                server_groups:
                  - {PdRig.Group("1Px2")}
                  - {PdRig.Group("2D")}
            """;
        return EngineRig.Options() with
        {
            Topology = Plans.Of(yaml, new TopologyFlags { HfCheckpoint = EngineRig.Folder() }),
            Disaggregate = DisaggregateMode.Always, KvDomain = domain, PageSize = PdRig.Page,
        };
    }

    private static string OtherFolder()
    {
        string folder = Path.Combine(
            Path.GetTempPath(), "pdengine-tests", $"{Environment.ProcessId}", "engine-other");
        if (Directory.Exists(folder))
            return folder;
        RandomCheckpoint.Write(folder, RandomCheckpoint.ConfigOf("tiny"), seed: 4);
        File.WriteAllBytes(Path.Combine(folder, "tokenizer.json"), ByteTokenizer.Json());
        return folder;
    }
}
