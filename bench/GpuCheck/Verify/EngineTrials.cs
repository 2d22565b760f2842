using System.Reflection;

namespace PdEngine.Bench;

/// <summary>
/// pd-tiny through the whole engine: the reference's greedy tokens and near its log-probs, and the same bits
/// alone, beside others, with graphs or without, handed over in one pool or copied between two.
/// </summary>
internal sealed class EngineTrials(CheckRig rig)
{
    private const string Model = "embedded:pd-tiny";
    private const string Folder = "pd-tiny/";

    // Random prompts are nothing that it was trained on: its logits are large, and ties near.
    private const double LogProbTolerance = 0.4, MeanTolerance = 0.02, TieTolerance = 0.1;
    private const int Vocabulary = 100;

    private Generation[]? _alone;

    private CheckScale Scale => rig.Settings.Scale;

    public IEnumerable<CheckCase> Cases()
    {
        yield return new("verify/engine reference", Reference);
        yield return new("verify/engine scores", Scores);
        foreach (bool usesGraphs in (bool[])[true, false])
        {
            string name = $"verify/engine batches{(usesGraphs ? " graphs" : "")}";
            yield return new(name, () => Batches(name, usesGraphs));
        }
        foreach ((string name, KvDomainKind domain, float? share) in ((string, KvDomainKind, float?)[])
        [
            ("verify/hand-off by change of owner", KvDomainKind.Host, null),
            ("verify/hand-off by push kernel", KvDomainKind.Device, null),
            ("verify/hand-off on split processors", KvDomainKind.Host, 0.5f),
        ])
        {
            yield return new(name, () => HandOff(name, domain, share));
        }
    }

    private EngineOptions Options(int devices = 1) => rig.EngineOn(Model, devices) with
    {
        MemoryFolders = [Open()], MaxTotalTokens = 32_768, PageSize = 16,
    };

    private GenerateRequest[] Requests()
    {
        Random random = new(5);
        return [.. Enumerable.Range(0, Scale.EngineRequests).Select(index => new GenerateRequest
        {
            Text = IsSum(index) ? $"{index / 2 % 10}+{index / 20}=" : null,
            InputIds = IsSum(index)
                ? default(ReadOnlyMemory<int>?) : Ids(random, random.Next(1, Scale.IsToy ? 30 : 200)),
            ReturnLogProb = true,
            Sampling = new SamplingParams
            {
                Temperature = index % 2 == 0 ? 0 : 1, MaxNewTokens = Scale.EngineTokens,
                IgnoreEos = !IsSum(index), SamplingSeed = (ulong)index,
            },
        })];
    }

    /// <summary>What it was trained on: every token is far ahead of the next.</summary>
    private static bool IsSum(int index) => index % 4 == 0;

    private static int[] Ids(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => 4 + random.Next(Vocabulary - 4))];

    private Generation[] Alone() => _alone ??= Run(Options() with
    {
        DisableCudaGraph = true, DisableRadixCache = true,
    }, 1);

    /// <summary>All requests, so many at once.</summary>
    private Generation[] Run(EngineOptions options, int atOnce, int count = int.MaxValue) =>
        Task.Run(() => RunAsync(options, [.. Requests().Take(count)], atOnce)).GetAwaiter().GetResult();

    private static async Task<Generation[]> RunAsync(
        EngineOptions options, GenerateRequest[] requests, int atOnce)
    {
        await using Engine engine = await Engine.StartAsync(options).ConfigureAwait(false);
        List<Generation> made = [];
        foreach (GenerateRequest[] some in requests.Chunk(atOnce))
        {
            made.AddRange(await Task.WhenAll(some.Select(request => engine.GenerateAsync(request)))
                .ConfigureAwait(false));
        }
        return [.. made];
    }

    private CheckRow Reference()
    {
        const string name = "verify/engine reference";
        GenerateRequest[] requests = [.. Requests().Where(request => request.Sampling.Temperature == 0)];
        EngineOptions plain = Options() with
        {
            Backend = BackendKind.Reference, Devices = null, CudaDriver = null, NcclLibrary = null,
            CublasLibrary = null, PrefillSmFraction = null, Gemm = GemmKind.Own,
        };
        Generation[] theirs = Task.Run(() => RunAsync(plain, requests, requests.Length)).Result;
        Generation[] ours = [.. Alone().Where((_, index) => index % 2 == 0)];
        int tokens = 0, ties = 0;
        double worst = 0, sum = 0;
        for (int i = 0; i < ours.Length; i++)
        {
            for (int at = 0; at < Math.Max(ours[i].OutputIds.Count, theirs[i].OutputIds.Count); at++)
            {
                if (at >= ours[i].OutputIds.Count || at >= theirs[i].OutputIds.Count)
                    return new CheckRow(name).Failed($"{name}: request {i} ends at token {at}; seed 5");
                TokenLogProb own = ours[i].OutputLogProbs[at], other = theirs[i].OutputLogProbs[at];
                double off = Math.Abs(own.LogProb!.Value - other.LogProb!.Value);
                bool isSame = own.TokenId == other.TokenId;
                bool isTie = !isSame && off <= TieTolerance && !IsSum(2 * i);
                if (!(off <= LogProbTolerance) || !(isSame || isTie))
                {
                    return new CheckRow(name).Failed(
                        $"{name}: request {i}, token {at}: {own.TokenId} at {own.LogProb:R} instead of "
                        + $"{other.TokenId} at {other.LogProb:R}; seed 5");
                }
                tokens++;
                (worst, sum) = (Math.Max(worst, off), sum + off);
                // What follows another token is another text.
                if (isTie)
                {
                    ties++;
                    break;
                }
            }
        }
        CheckRow row = new CheckRow(name).With("tokens", tokens).With("texts", ours.Length)
            .With("texts_after_a_tie", ties).With("worst_logprob_difference", worst)
            .With("mean_logprob_difference", sum / tokens);
        return sum / tokens <= MeanTolerance
            ? row : row.Failed($"{name}: log-probs differ by {sum / tokens:G3} on average; seed 5");
    }

    /// <summary>What was drawn one by one is scored in one prefill.</summary>
    private CheckRow Scores()
    {
        const string name = "verify/engine scores";
        Generation[] alone = Alone();
        GenerateRequest[] requests = Requests();
        return Task.Run(async () =>
        {
            await using Engine engine = await Engine.StartAsync(Options()).ConfigureAwait(false);
            int compared = 0;
            for (int i = 0; i < alone.Length; i++)
            {
                int[] prompt = alone[i].PromptIds.ToArray();
                ScoredTokens scores = await engine.ScoreAsync(
                    (int[])[.. prompt, .. alone[i].OutputIds], prompt.Length, requests[i].Sampling)
                    .ConfigureAwait(false);
                for (int at = 0; at < alone[i].OutputIds.Count; at++, compared++)
                {
                    float? drawn = alone[i].OutputLogProbs[at].LogProb;
                    float? scored = scores[prompt.Length + at].LogProb;
                    if (drawn != scored)
                    {
                        return new CheckRow(name).Failed(
                            $"{name}: request {i}, token {at}: scored {scored:R}, drawn at {drawn:R}; "
                            + "seed 5");
                    }
                }
            }
            return new CheckRow(name).With("compared", compared);
        }).GetAwaiter().GetResult();
    }

    private CheckRow Batches(string name, bool usesGraphs)
    {
        int compared = 0;
        foreach (int batch in Scale.EngineBatches)
        {
            Generation[] together = Run(
                Options() with { DisableCudaGraph = !usesGraphs }, batch, Math.Max(batch, 8));
            if (Other(Alone(), together) is { } other)
                return new CheckRow(name).Failed($"{name}: {batch} at once, {other}; seed 5");
            compared += together.Sum(one => one.OutputIds.Count);
        }
        return new CheckRow(name).With("compared", compared);
    }

    private CheckRow HandOff(string name, KvDomainKind domain, float? share)
    {
        Generation[] apart = Run(
            Options(devices: 2) with
            {
                Topology = Topology.Resolve(new TopologyFlags
                {
                    PrefillNumServers = 1, RolloutNumGpus = 2, HfCheckpoint = Model, CoreCount = 2,
                }),
                Disaggregate = DisaggregateMode.Always, KvDomain = domain, ChunkedPrefillSize = 64,
                PrefillSmFraction = share,
            },
            Scale.EngineBatches.Max());
        if (Other(Alone(), apart) is { } other)
            return new CheckRow(name).Failed($"{name}: {other}; seed 5");
        PdPath path = domain == KvDomainKind.Host ? PdPath.Handoff : PdPath.Copy;
        CheckRow row = new CheckRow(name).With("compared", apart.Sum(one => one.OutputIds.Count))
            .With("blocks", apart.Sum(one => one.HandoffBlocks))
            .With("bytes", apart.Sum(one => one.TransferBytes));
        return apart.Any(one => one.PdPath == path) ? row : row.Failed($"{name}: nothing went that way");
    }

    private static string? Other(Generation[] expected, Generation[] actual)
    {
        for (int i = 0; i < actual.Length; i++)
        {
            if (actual[i].Error is { } error)
                return $"request {i}: {error.Message}";
            for (int at = 0; at < expected[i].OutputIds.Count; at++)
            {
                TokenLogProb ours = actual[i].OutputLogProbs[at], theirs = expected[i].OutputLogProbs[at];
                if (actual[i].OutputIds[at] != expected[i].OutputIds[at] || ours.LogProb != theirs.LogProb)
                {
                    return $"request {i}, token {at}: {ours.TokenId} at {ours.LogProb:R} and alone "
                        + $"{theirs.TokenId} at {theirs.LogProb:R}";
                }
            }
        }
        return null;
    }

    private static MemoryFolder Open()
    {
        Assembly own = typeof(EngineTrials).Assembly;
        Dictionary<string, ReadOnlyMemory<byte>> files = new(StringComparer.Ordinal);
        foreach (string resource in own.GetManifestResourceNames())
        {
            if (!resource.StartsWith(Folder, StringComparison.Ordinal))
                continue;
            using Stream content = own.GetManifestResourceStream(resource)!;
            byte[] bytes = new byte[content.Length];
            content.ReadExactly(bytes);
            files.Add(resource[Folder.Length..], bytes);
        }
        return new MemoryFolder(Model, files);
    }
}
