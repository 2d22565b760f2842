namespace PdEngine.Tests;

/// <summary>What is shared between requests: turns of a session, samples of one prompt.</summary>
[CancelAfter(120_000)]
public sealed class PdSessionTests
{
    private const int SessionCount = 6;
    private const int TurnCount = 4;

    [Test]
    public async Task Turns_of_sessions_are_found_on_the_decode_side(
        [Values("1P+1D", "1P+3D", "2P+2D")] string shape, [Values] KvDomainKind domain)
    {
        (GenerateRequest[][] turns, Generation[][] alone) = await TurnsAsync();
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options(shape, DisaggregateMode.Auto, domain));
        string[] decoders = new string[SessionCount];
        for (int turn = 0; turn < TurnCount; turn++)
        {
            Generation[] got = await EngineRig.AtOnceAsync(engine, turns[turn], seed: turn);
            EngineRig.AssertSame(alone[turn], got, $"turn {turn}");
            for (int session = 0; turn > 0 && session < SessionCount; session++)
            {
                int computed = alone[turn - 1][session].PromptIds.Length
                    + alone[turn - 1][session].OutputIds.Count - 1;
                int cached = computed / PdRig.Page * PdRig.Page;
                string what = $"turn {turn} of session {session}";
                Assert.That(got[session].CachedTokens, Is.EqualTo(cached), what);
                Assert.That(got[session].DecodeWorker, Is.EqualTo(decoders[session]), what);
                Assert.That(got[session].PdReason, Is.EqualTo(PdReasons.PromptCached), what);
            }
            decoders = [.. got.Select(one => one.DecodeWorker)];
        }
        await PdRig.AssertAllFreeAsync(engine, shape);
    }

    [Test]
    public async Task Turns_that_are_always_handed_off_copy_only_what_the_decode_side_lacks(
        [Values("1P+1D", "1P+3D", "1Px2+2Dx4")] string shape)
    {
        (GenerateRequest[][] turns, Generation[][] alone) = await TurnsAsync();
        await using Engine engine = await Engine.StartAsync(
            PdRig.Options(shape, DisaggregateMode.Always, KvDomainKind.Device));
        long first = 0;
        for (int turn = 0; turn < TurnCount; turn++)
        {
            Generation[] got = await EngineRig.AtOnceAsync(engine, turns[turn], seed: turn);
            EngineRig.AssertSame(alone[turn], got, $"turn {turn}");
            PdRig.AssertPath(got, PdPath.Copy, $"turn {turn}");
            long blockBytes = first == 0 ? first = got[0].TransferBytes / got[0].HandoffBlocks : first;
            for (int session = 0; session < SessionCount; session++)
            {
                int cached = turn == 0 ? 0 : (alone[turn - 1][session].PromptIds.Length
                    + alone[turn - 1][session].OutputIds.Count - 1) / PdRig.Page;
                int blocks = (alone[turn][session].PromptIds.Length + PdRig.Page - 1) / PdRig.Page;
                Assert.That(got[session].HandoffBlocks, Is.EqualTo(blocks));
                Assert.That(got[session].TransferBytes, Is.EqualTo((blocks - cached) * blockBytes),
                    $"turn {turn} of session {session}");
            }
        }
    }

    [Test]
    public async Task A_group_of_samples_computes_its_prompt_once(
        [Values("1P+1D", "1P+3D", "1Px2+1D")] string shape, [Values] KvDomainKind domain,
        [Values(-1, 64)] int chunk)
    {
        const int samples = 8, promptTokens = 200;
        int[] prompt = EngineRig.Ids(new Random(11), promptTokens);
        GenerateRequest[] requests =
        [
            .. Enumerable.Range(0, samples).Select(sample => new GenerateRequest
            {
                InputIds = prompt, ReturnLogProb = true,
                Sampling = new SamplingParams
                {
                    MaxNewTokens = 12, IgnoreEos = true, SamplingSeed = (ulong)sample,
                },
            }),
        ];
        Generation[] alone = await PdRig.AloneAsync("", requests);
        await using Engine engine = await Engine.StartAsync(PdRig.Options(
            shape, DisaggregateMode.Always, domain, overrides: $"chunked_prefill_size: {chunk}"));
        Generation[] got = await EngineRig.AtOnceAsync(engine, requests, seed: 1);
        EngineRig.AssertSame(alone, got, shape);
        PdRig.AssertPath(got, PdRig.PathOf(domain), shape);
        // One that comes after the prompt's last step computes what the last, unfinished block holds.
        Assert.That(engine.Metrics.PrefillTokens,
            Is.InRange(promptTokens, promptTokens + ((samples - 1) * (promptTokens % PdRig.Page))));
        Assert.That(engine.Metrics.PrefillTokens + engine.Metrics.CachedTokens,
            Is.EqualTo(samples * promptTokens));
        if (domain == KvDomainKind.Device)
        {
            // The whole blocks once for each decode worker, and what each sample goes on writing into.
            long blockBytes = got.Max(one => one.TransferBytes / one.HandoffBlocks);
            int decoders = got.Select(one => one.DecodeWorker).Distinct().Count();
            Assert.That(got.Sum(one => one.TransferBytes),
                Is.EqualTo(((promptTokens / PdRig.Page * decoders) + samples) * blockBytes));
        }
        await PdRig.AssertAllFreeAsync(engine, shape);
    }

    /// <summary>Sessions whose every turn is the one before, its output, and a few tokens more.</summary>
    private static async Task<(GenerateRequest[][] Turns, Generation[][] Alone)> TurnsAsync()
    {
        Random random = new(21);
        GenerateRequest[][] turns = new GenerateRequest[TurnCount][];
        Generation[][] alone = new Generation[TurnCount][];
        int[][] prompts = [.. Enumerable.Range(0, SessionCount).Select(_ => EngineRig.Ids(random, 70))];
        for (int turn = 0; turn < TurnCount; turn++)
        {
            turns[turn] =
            [
                .. prompts.Select((prompt, session) => new GenerateRequest
                {
                    InputIds = prompt, SessionId = $"session {session}", ReturnLogProb = true,
                    TopLogProbsNum = session % 3,
                    Sampling = EngineRig.Sampling(random) with
                    {
                        SamplingSeed = (ulong)session, MaxNewTokens = random.Next(4, 20), IgnoreEos = true,
                        StopTokenIds = [],
                    },
                }),
            ];
            alone[turn] = await PdRig.AloneAsync("", turns[turn]);
            for (int session = 0; session < SessionCount; session++)
                prompts[session] = Next(alone[turn][session], random);
        }
        return (turns, alone);
    }

    /// <summary>So long that at most one page of it is new to whoever computed the turn before.</summary>
    private static int[] Next(Generation turn, Random random)
    {
        int known = turn.PromptIds.Length + turn.OutputIds.Count;
        int cached = (known - 1) / PdRig.Page * PdRig.Page;
        int added = Math.Max(0, Math.Min(random.Next(1, 6), cached + PdRig.Page - known));
        return [.. turn.PromptIds.Span, .. turn.OutputIds, .. EngineRig.Ids(random, added)];
    }
}
