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
    private const double LogProbTolerance = 0.15;
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
        foreach (KvDomainKind domain in (KvDomainKind[])[KvDomainKind.Host, KvDomainKind.Device])
        {
            string name = domain == KvDomainKind.Host
                ? "verify/hand-off by change of owner" : "verify/hand-off by push kernel";
            yield return new(name, () => HandOff(name, domain));
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
            InputIds = Ids(random, random.Next(1, Scale.IsToy ? 30 : 200)), ReturnLogProb = true,
            Sampling = new SamplingParams
            {
                Temperature = index % 2 == 0 ? 0 : 1, MaxNewTokens = Scale.EngineTokens, IgnoreEos = true,
                SamplingSeed = (ulong)index,
            },
        })];
    }

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
            Backend = BackendKind.Reference, Devices = null, CudaDriver = null,
        };
        Generation[] theirs = Task.Run(() => RunAsync(plain, requests, requests.Length)).Result;
        Generation[] ours = [.. Alone().Where((_, index) => index % 2 == 0)];
        int tokens = 0, differing = 0;
        double worst = 0, sum = 0;
        string? first = null;
        for (int i = 0; i < ours.Length; i++)
        {
            for (int at = 0; at < ours[i].OutputIds.Count; at++)
            {
                tokens++;
                double off = Math.Abs(
                    ours[i].OutputLogProbs[at].LogProb!.Value - theirs[i].OutputLogProbs[at].LogProb!.Value);
                bool isSame = ours[i].OutputIds[at] == theirs[i].OutputIds[at];
                if (!isSame || !(off <= LogProbTolerance))
                {
                    first ??= $"request {i}, token {at}: {ours[i].OutputIds[at]} at "
                        + $"{ours[i].OutputLogProbs[at].LogProb:R} instead of {theirs[i].OutputIds[at]} at "
                        + $"{theirs[i].OutputLogProbs[at].LogProb:R}; seed 5";
                }
                // What follows another token is another text.
                if (!isSame)
                {
                    differing++;
                    break;
                }
                (worst, sum) = (Math.Max(worst, off), sum + off);
            }
        }
        CheckRow row = new CheckRow(name).With("tokens", tokens).With("texts", ours.Length)
            .With("texts_differing", differing).With("worst_logprob_difference", worst)
            .With("mean_logprob_difference", sum / tokens);
        bool isFine = differing <= ours.Length / 10 && worst <= LogProbTolerance;
        return isFine ? first is null ? row : row.Noted(first) : row.Failed($"{name}: {first}");
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
                int[] prompt = requests[i].InputIds!.Value.ToArray();
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

    private CheckRow HandOff(string name, KvDomainKind domain)
    {
        Generation[] apart = Run(
            Options(devices: 2) with
            {
                Topology = Topology.Resolve(new TopologyFlags
                {
                    PrefillNumServers = 1, RolloutNumGpus = 2, HfCheckpoint = Model, CoreCount = 2,
                }),
                Disaggregate = DisaggregateMode.Always, KvDomain = domain, ChunkedPrefillSize = 64,
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
