using System.Runtime.CompilerServices;

namespace PdEngine.Tests;

/// <summary>
/// Steps that are put on a virtual GPU before the results of the ones before are awaited: no token and no bit
/// of a log-prob changes, and a wait that is left out shows.
/// </summary>
[Category("Cuda")]
[CancelAfter(120_000)]
public sealed class CudaAheadTests
{
    private const int StepCount = 7;

    [Test]
    public void Rows_take_the_tokens_that_the_step_before_draws(
        [Values] bool usesGraphs, [Values(1, 3, 5)] int sequences, [Values(0ul, 9ul)] ulong seed)
    {
        string expected = Decode(sequences, usesGraphs, seed: 0, runsAhead: false);
        Assert.That(Decode(sequences, usesGraphs, seed, runsAhead: true), Is.EqualTo(expected));
    }

    [Test]
    public void Results_that_are_not_awaited_do_not_go_unseen()
    {
        string expected = Decode(3, usesGraphs: true, seed: 0, runsAhead: true);
        string early = Decode(3, usesGraphs: true, seed: 0, runsAhead: true, waits: false);
        Assert.That(early, Is.Not.EqualTo(expected));
    }

    [Test]
    public void A_step_ahead_allocates_nothing([Values] bool usesGraphs)
    {
        using CudaStepRig rig = new(usesGraphs);
        rig.Prefill(3, tokens: 20);
        long least = long.MaxValue;
        rig.Start();
        for (int step = 0; step < 8; step++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            rig.Start();
            rig.Finish();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.That(least, Is.Zero);
    }

    [Test]
    public async Task Running_ahead_changes_nothing([Values(0ul, 6ul)] ulong seed)
    {
        GenerateRequest[] requests = PdRig.Mixed[..20];
        Generation[] alone = await RunAsync(
            seed: 0, disables: true, async engine =>
            {
                List<Generation> made = [];
                foreach (GenerateRequest request in requests)
                    made.Add(await engine.GenerateAsync(request));
                return made.ToArray();
            });
        foreach (bool disables in new[] { true, false })
        {
            Generation[] made = await RunAsync(
                seed, disables, engine => EngineRig.AtOnceAsync(engine, requests, seed: 1));
            EngineRig.AssertSame(alone, made, $"not ahead: {disables}, seed {seed}");
        }
    }

    [Test]
    public async Task A_stop_is_seen_one_step_late_and_a_length_is_known_before([Values] bool stops)
    {
        GenerateRequest request = EngineRig.Requests(1, seed: 4)[0] with
        {
            Sampling = new() { MaxNewTokens = 9, SamplingSeed = 1, IgnoreEos = true },
        };
        if (stops)
        {
            Generation whole = (await RunAsync(0, true, engine => AloneAsync(engine, request)))[0];
            int[] drawn = [.. whole.OutputIds];
            int middle = drawn.First(token => Array.IndexOf(drawn, token) is > 3 and < 8);
            request = request with { Sampling = request.Sampling with { StopTokenIds = [middle] } };
        }
        List<ulong> launches = [];
        List<int> tokens = [];
        foreach (bool disables in new[] { true, false })
        {
            Generation made = (await RunAsync(0, disables, engine => AloneAsync(engine, request)))[0];
            tokens.Add(made.OutputIds.Count);
            launches.Add(StandIn.LaunchCount());
        }
        Assert.That(tokens[1], Is.EqualTo(tokens[0]));
        Assert.That(launches[1], stops ? Is.GreaterThan(launches[0]) : Is.EqualTo(launches[0]));
    }

    [Test]
    public async Task Padded_rows_that_write_block_0_do_not_go_unseen([Values] bool areWrong)
    {
        GenerateRequest[] requests = [.. EngineRig.Requests(3, seed: 8).Select(request => request with
        {
            ReturnLogProb = true, Sampling = request.Sampling with { MaxNewTokens = 12, IgnoreEos = true },
        })];
        Generation[] expected = await RunAsync(
            0, disables: false, engine => EngineRig.AtOnceAsync(engine, requests, seed: 1), hasGraphs: false);
        Generation[] made = await RunAsync(0, disables: false, engine =>
        {
            if (areWrong)
                ScratchBlock(PoolOf(engine)) = 0;
            return EngineRig.AtOnceAsync(engine, requests, seed: 1);
        });
        Assert.That(StandIn.GraphLaunchCount(), Is.GreaterThan(0));
        void Compare() => EngineRig.AssertSame(expected, made, "padded");
        Assert.That(Compare, areWrong ? Throws.TypeOf<AssertionException>() : Throws.Nothing);
    }

    /// <summary>Tokens and log-probs of some steps, every other step in another order of rows.</summary>
    private static string Decode(
        int sequences, bool usesGraphs, ulong seed, bool runsAhead, bool waits = true)
    {
        using CudaStepRig rig = new(usesGraphs, seed);
        rig.Prefill(sequences, tokens: 20);
        StandIn.DropWaits(ofThreads: !waits);
        for (int step = 0; step < StepCount; step++)
        {
            rig.Start();
            if (!runsAhead || step > 0)
                rig.Finish();
        }
        if (runsAhead)
            rig.Finish();
        StandIn.DropWaits();
        return rig.Drawn();
    }

    private static async Task<Generation[]> AloneAsync(Engine engine, GenerateRequest request) =>
        [await engine.GenerateAsync(request)];

    private static async Task<Generation[]> RunAsync(
        ulong seed, bool disables, Func<Engine, Task<Generation[]>> run, bool hasGraphs = true)
    {
        StandIn.Reset(deviceCount: 1, seed, megabytes: 256);
        await using Engine engine = await Engine.StartAsync(CudaTestDevice.On(EngineRig.Options()) with
        {
            MaxTotalTokens = 2048, DisableOverlapSchedule = disables, DisableCudaGraph = !hasGraphs,
        });
        return await run(engine);
    }

    private static CudaKvPool PoolOf(Engine engine) =>
        ((CudaKvStore)Pools(Parts(engine).Models[0]).Memory(0).Shards[0].Store).Pool;

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_parts")]
    private static extern ref EngineParts Parts(Engine engine);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "_pools")]
    private static extern ref KvPools Pools(ModelParts parts);

    [UnsafeAccessor(UnsafeAccessorKind.Field, Name = "<ScratchBlock>k__BackingField")]
    private static extern ref int ScratchBlock(CudaKvPool pool);
}
