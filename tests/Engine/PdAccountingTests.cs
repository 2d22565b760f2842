namespace PdEngine.Tests;

/// <summary>What a result says of its way: times, blocks, bytes and names.</summary>
[CancelAfter(120_000)]
public sealed class PdAccountingTests
{
    private static readonly SamplingParams Four =
        new() { MaxNewTokens = 4, IgnoreEos = true, Temperature = 0 };

    [TestCase("1P+1D", DisaggregateMode.Always, KvDomainKind.Host)]
    [TestCase("2P+2D", DisaggregateMode.Always, KvDomainKind.Device)]
    [TestCase("1P+3D", DisaggregateMode.Auto, KvDomainKind.Device)]
    [TestCase("1P+1D", DisaggregateMode.Never, KvDomainKind.Host)]
    [TestCase("2R", DisaggregateMode.Auto, KvDomainKind.Host)]
    public async Task Times_add_up_on_every_path(string shape, DisaggregateMode mode, KvDomainKind domain)
    {
        await using Engine engine = await Engine.StartAsync(PdRig.Options(shape, mode, domain));
        Generation[] all = await EngineRig.AtOnceAsync(engine, PdRig.Mixed, seed: 1);
        PdRig.AssertTimes(all, shape);
        foreach (Generation one in all)
        {
            Assert.That(one.Timings.PrefillForwardNs, Is.GreaterThan(0));
            Assert.That(one.QueueTime, Is.LessThanOrEqualTo(one.TimeToFirstToken!.Value));
            Assert.That(one.TimeToFirstToken, Is.LessThanOrEqualTo(one.EndToEndTime));
            bool moved = one.PdPath != PdPath.Local;
            bool ended = one.OutputIds.Count <= 1;
            Assert.That(one.Timings.DecodeTransferNs > 0, Is.EqualTo(one.PdPath == PdPath.Copy));
            Assert.That(one.TransferBytes > 0, Is.EqualTo(one.PdPath == PdPath.Copy));
            Assert.That(one.HandoffBlocks > 0, Is.EqualTo(moved));
            Assert.That(one.Timings.DecodeAllocWaitNs > 0, Is.EqualTo(moved));
            Assert.That(one.Timings.DecodeForwardNs > 0 || ended);
            if (!moved && !ended)
                Assert.That(one.DecodeWorker, Is.EqualTo(one.PrefillWorker));
        }
    }

    [TestCase("1P+1D", 1)]
    [TestCase("1Px2+1D", 1)]
    [TestCase("1P+1Dx2", 1)]
    [TestCase("1Px2+1Dx4", 2)]
    public async Task Bytes_are_those_of_the_blocks_that_the_target_lacked(string shape, int copiesOfHeads)
    {
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options(shape, DisaggregateMode.Always, KvDomainKind.Device));
        // Two layers of K and V, two heads of 32; bf16.
        long blockBytes = 2 * 2 * 2 * 32 * 2 * PdRig.Page * copiesOfHeads;
        foreach (int promptTokens in new[] { 1, 15, 16, 17, 64, 333 })
        {
            int[] prompt = EngineRig.Ids(new Random(promptTokens), promptTokens);
            GenerateRequest request = new() { InputIds = prompt, Sampling = Four };
            int blocks = (promptTokens + PdRig.Page - 1) / PdRig.Page;
            int tail = promptTokens % PdRig.Page == 0 ? 0 : 1;
            foreach (int pulled in new[] { blocks, tail })
            {
                Generation one = await engine.GenerateAsync(request);
                Assert.That(one.PdPath, Is.EqualTo(PdPath.Copy));
                Assert.That(one.HandoffBlocks, Is.EqualTo(blocks), $"{promptTokens} tokens");
                Assert.That(one.TransferBytes, Is.EqualTo(pulled * blockBytes), $"{promptTokens} tokens");
                Assert.That((one.PrefillWorker, one.DecodeWorker), Is.EqualTo(("prefill-0", "decode-0")));
            }
        }
    }

    [Test]
    public async Task Inside_one_memory_no_byte_moves_and_every_block_changes_owner()
    {
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options("1P+1D", DisaggregateMode.Always, KvDomainKind.Host));
        Generation one = await engine.GenerateAsync(
            new GenerateRequest { InputIds = EngineRig.Ids(new Random(1), 100), Sampling = Four });
        Assert.That((one.PdPath, one.HandoffBlocks, one.TransferBytes), Is.EqualTo((PdPath.Handoff, 7, 0L)));
        Assert.That((one.PrefillWorker, one.DecodeWorker), Is.EqualTo(("prefill-0", "decode-0")));
        Assert.That(PdRig.Worker(engine, "prefill-0").PrefillTokens, Is.EqualTo(100));
        Assert.That(PdRig.Worker(engine, "prefill-0").OutputTokens, Is.EqualTo(1));
        Assert.That(PdRig.Worker(engine, "decode-0").OutputTokens, Is.EqualTo(3));
    }

    [TestCase(0, "")]
    [TestCase(1, "")]
    [TestCase(2, "decode-0")]
    public async Task What_ends_with_its_first_token_stays_where_it_is(int newTokens, string decoder)
    {
        foreach (KvDomainKind domain in Enum.GetValues<KvDomainKind>())
        {
            await using Engine engine = await Engine.StartAsync(
                PdRig.Options("1P+1D", DisaggregateMode.Always, domain));
            Generation one = await engine.GenerateAsync(new GenerateRequest
            {
                InputIds = EngineRig.Ids(new Random(2), 40),
                Sampling = Four with { MaxNewTokens = newTokens },
            });
            Assert.That(one.PdPath, Is.EqualTo(decoder.Length == 0 ? PdPath.Local : PdRig.PathOf(domain)));
            Assert.That(one.PdReason,
                Is.EqualTo(decoder.Length == 0 ? PdReasons.NothingToDecode : PdReasons.Always));
            Assert.That(one.PrefillWorker, Is.EqualTo("prefill-0"));
            Assert.That(one.HandoffBlocks > 0, Is.EqualTo(decoder.Length > 0));
            Assert.That(one.DecodeWorker, Is.EqualTo(decoder));
        }
    }

    [TestCase(DisaggregateMode.Always)]
    [TestCase(DisaggregateMode.Auto)]
    public async Task A_stop_id_drawn_first_is_nothing_to_decode(DisaggregateMode mode)
    {
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options("1P+1D", mode, KvDomainKind.Device));
        Generation one = await engine.GenerateAsync(new GenerateRequest
        {
            InputIds = EngineRig.Ids(new Random(2), 40),
            Sampling = Four with
            {
                MaxNewTokens = 50, StopTokenIds = [77], LogitBias = new Dictionary<int, float> { [77] = 100 },
            },
        });
        Assert.That(one.MatchedStopId, Is.EqualTo(77));
        Assert.That((one.PdPath, one.PdReason, one.TransferBytes),
            Is.EqualTo((PdPath.Local, PdReasons.NothingToDecode, 0L)));
        await PdRig.AssertAllFreeAsync(engine, $"{mode}");
    }
}
