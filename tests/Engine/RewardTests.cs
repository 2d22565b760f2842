using System.Text.Json;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

/// <summary>Sequence-classification checkpoints as reward services.</summary>
[Category("Goldens")]
public sealed class RewardTests
{
    private const int PromptLength = 200;

    [TestCaseSource(typeof(TestBackends), nameof(TestBackends.Names))]
    public void The_reward_is_the_golden_one(string backend)
    {
        using TestModel model = TestModel.Load(backend, new GoldenRope(Checkpoint.Open(Folder())));
        double bound = backend == "reference" ? 1e-5 : 0.05;
        foreach ((int[] ids, double expected) in Cases())
            Assert.That(RewardOf(model, ids), Is.EqualTo(expected).Within(bound), backend);
    }

    [TestCaseSource(typeof(TestBackends), nameof(TestBackends.Names))]
    public async Task Scoring_gives_a_reward_and_no_log_probs(string backend)
    {
        await using Engine engine = await StartAsync(backend);
        using TestModel model = TestModel.Load(backend, Checkpoint.Open(Folder()));
        foreach ((int[] ids, _) in Cases())
        {
            ScoredTokens scored = await engine.ScoreAsync(ids, ids.Length, new());
            Assert.That(scored.Reward, Is.EqualTo(RewardOf(model, ids)), backend);
            Assert.That(scored, Is.Empty);
            Assert.That(scored.WeightVersion, Is.EqualTo("default"));
        }
        await PdRig.AssertAllFreeAsync(engine, backend);
    }

    [TestCaseSource(typeof(PdRig), nameof(PdRig.Backends))]
    public async Task Ranks_chunks_neighbours_and_cached_prefixes_change_no_bit(string backend)
    {
        int seed = 11;
        Random random = new(seed);
        int[] shared = EngineRig.Ids(random, PromptLength / 2, 272);
        int[][] prompts = [.. Enumerable.Range(1, 12).Select(
            i => (int[])[.. shared.AsSpan(0, i * 8), .. EngineRig.Ids(random, PromptLength / 2, 272)])];
        float[]? expected = null;
        foreach (string group in (string[])["1R", "2R", "1Rx2", "1Rx4", "1P+1D"])
        {
            foreach (int chunk in (int[])[PromptLength * 2, 33])
            {
                await using Engine engine = await StartAsync(
                    backend, PdRig.Plan(group, $"chunked_prefill_size: {chunk}", Folder()));
                for (int run = 0; run < 2; run++)
                {
                    float[] rewards = await RewardsAsync(engine.Models[0], prompts);
                    expected ??= rewards;
                    Assert.That(rewards, Is.EqualTo(expected), $"seed {seed}, {group}, {chunk}, run {run}");
                }
                ScoredTokens again = await engine.ScoreAsync(prompts[0], 0, new());
                Assert.That(again.Reward, Is.EqualTo(expected![0]));
                Assert.That(again.CachedTokens, Is.Positive, group);
                await PdRig.AssertAllFreeAsync(engine, group);
            }
        }
        Assert.That(expected!.Distinct().Count(), Is.EqualTo(prompts.Length));
    }

    [Test]
    public async Task It_generates_nothing()
    {
        await using Engine engine = await StartAsync("reference");
        Assert.That(engine.Models[0].IsReward, Is.True);
        int[] ids = [1, 5, 17];
        RequestException tokens = Assert.ThrowsAsync<RequestException>(
            () => engine.GenerateAsync(new GenerateRequest { InputIds = ids }))!;
        Assert.That(tokens.Field, Is.EqualTo("max_new_tokens"));
        Assert.That(tokens.Message, Does.Contain("reward model"));
        GenerateRequest none = new() { InputIds = ids, Sampling = new() { MaxNewTokens = 0 } };
        RequestException logProbs = Assert.ThrowsAsync<RequestException>(
            () => engine.GenerateAsync(none with { ReturnLogProb = true }))!;
        Assert.That(logProbs.Field, Is.EqualTo("return_logprob"));
        Assert.That((await engine.GenerateAsync(none)).Reward,
            Is.EqualTo((await engine.ScoreAsync(ids, 3, new())).Reward));
        await PdRig.AssertAllFreeAsync(engine, "refused");
    }

    [Test]
    public async Task A_language_model_has_no_reward()
    {
        await using Engine engine = await EngineRig.StartAsync();
        Assert.That(engine.Models[0].IsReward, Is.False);
        ScoredTokens scored = await engine.ScoreAsync(new[] { 1, 2, 3 }, 3, new());
        Assert.That(scored.Reward, Is.Null);
        Assert.That(scored, Has.Count.EqualTo(3));
    }

    [Test]
    public async Task An_update_between_the_chunks_of_a_prompt_scores_it_by_one_version()
    {
        await using Engine engine = await StartAsync(
            "reference", PdRig.Plan("1R", "chunked_prefill_size: 8", Folder()));
        EngineModel model = engine.Models[0];
        int[][] prompts = [.. Enumerable.Range(0, 16).Select(
            i => EngineRig.Ids(new Random(i), PromptLength, 272))];
        float[] before = await RewardsAsync(model, prompts);
        engine.FlushCache();
        Task<ScoredTokens[]> running = Task.WhenAll(
            prompts.Select(prompt => model.ScoreAsync(prompt, 0, new())));
        using WeightUpdate update = Doubled();
        await model.UpdateWeightsAsync(update, new() { Mode = PauseMode.InPlace });
        ScoredTokens[] scored = await running;
        float[] after = await RewardsAsync(model, prompts);
        Assert.That(after[0], Is.Not.EqualTo(before[0]));
        for (int i = 0; i < prompts.Length; i++)
        {
            Assert.That(scored[i].Reward, Is.EqualTo(
                scored[i].WeightVersion == "default" ? before[i] : after[i]), $"prompt {i}");
        }
    }

    [Test]
    public async Task A_rollout_asks_a_reward_service_of_its_own_engine()
    {
        string plan = "sglang:\n  - name: actor\n    server_groups:\n"
            + "      - {worker_type: regular, num_gpus: 1}\n"
            + $"  - name: reward\n    model_path: {Folder()}\n    update_weights: false\n"
            + "    server_groups:\n      - {worker_type: regular, num_gpus: 1}\n";
        await using Engine engine = await Engine.StartAsync(
            EngineRig.Options(UpdateRig.Folder(3)) with
            {
                Topology = Plans.Of(plan, new TopologyFlags { HfCheckpoint = UpdateRig.Folder(3) }),
                Services = ["actor", "reward"],
            });
        EngineModel judge = engine.GetModel("reward");
        using RolloutSession session = new(engine.GetModel("actor"), new RolloutOptions
        {
            SamplesPerPrompt = 4, Seed = 1, Sampling = new() { MaxNewTokens = 12, IgnoreEos = true },
            GroupReward = async (group, cancellation) =>
            {
                foreach (RolloutSample sample in group.Samples)
                    sample.Reward = await RewardAsync(judge, sample, cancellation);
            },
            Filter = RolloutGroup.HasRewardSpread,
        });
        RolloutGroup made = await session.RunGroupAsync(new RolloutPrompt { InputIds = new[] { 1, 9, 30 } });
        Assert.That(RolloutGroup.HasRewardSpread(made), Is.True);
        foreach (RolloutSample sample in made.Samples)
            Assert.That((float)sample.Reward!.Value, Is.EqualTo(await RewardAsync(judge, sample, default)));
        using WeightUpdate update = UpdateRig.Buckets(4);
        Assert.ThrowsAsync<WeightUpdateException>(() => judge.UpdateWeightsAsync(update));
    }

    [TestCase(0, 1, "score.weight", "[1, 64]", "missing")]
    [TestCase(2, 1, "score.weight", "[2, 64]", "[1, 64]")]
    [TestCase(2, 2, "2 labels", "config.json")]
    public void A_head_that_is_missing_or_misshapen_is_refused(int rows, int labels, params string[] parts)
    {
        string folder = Copy(rows, labels);
        string message =
            Assert.Throws<CheckpointException>(() => Checkpoint.Open(folder).Dispose())!.Message;
        foreach (string part in parts)
            Assert.That(message, Does.Contain(part));
    }

    [Test]
    public async Task The_command_prints_it()
    {
        (int[] ids, double expected) = Cases()[0];
        string[] line = ["score", "--model", Folder(), "--input-ids", string.Join(',', ids)];
        PdEngineRun run = await PdEngineRun.HereAsync(line);
        Assert.That(run.Out, Does.Match("^reward -0\\.[89][0-9]{5}$"), run.Error);
        PdEngineRun json = await PdEngineRun.HereAsync([.. line, "--json"]);
        JsonElement answer = PdEngineRun.Json(json.Out);
        Assert.That(answer.GetProperty("reward").GetDouble(), Is.EqualTo(expected).Within(0.05));
        Assert.That(answer.GetProperty("tokens").GetInt32(), Is.EqualTo(ids.Length));
        string folder = TestFiles.Scratch();
        string input = Path.Combine(folder, "in.jsonl"), output = Path.Combine(folder, "out.jsonl");
        await File.WriteAllTextAsync(
            input, $"{{\"input_ids\": [{string.Join(',', ids)}], \"sampling_params\": "
                + "{\"max_new_tokens\": 0}}\n");
        PdEngineRun batch = await PdEngineRun.HereAsync(
            ["generate", "--model", Folder(), "--input", input, "--output", output]);
        Assert.That(batch.ExitCode, Is.Zero, batch.Error);
        JsonElement made = PdEngineRun.Json(await File.ReadAllTextAsync(output));
        Assert.That(made.GetProperty("meta_info").GetProperty("reward").GetSingle(),
            Is.EqualTo(answer.GetProperty("reward").GetSingle()));
    }

    /// <summary>The actor knows more tokens than the judge.</summary>
    private static async Task<float> RewardAsync(
        EngineModel judge, RolloutSample sample, CancellationToken cancellation)
    {
        int[] tokens = [.. sample.Tokens.Select(token => token % judge.VocabularySize)];
        return (await judge.ScoreAsync(tokens, 0, new(), cancellation)).Reward!.Value;
    }

    private static async Task<float[]> RewardsAsync(EngineModel model, int[][] prompts)
    {
        ScoredTokens[] scored = await Task.WhenAll(
            prompts.Select(prompt => model.ScoreAsync(prompt, 0, new())));
        return [.. scored.Select(one => one.Reward!.Value)];
    }

    /// <summary>What a lone worker makes of a prompt.</summary>
    private static float RewardOf(TestModel model, int[] ids)
    {
        const int blockCount = 16;
        ModelConfig config = model.Weights.Config;
        Request request = new RequestIntake(config, null, null, config.MaxPositions, 0)
            .AdmitScore(ids, ids.Length, new(), new RequestId(1));
        KvLayout layout = KvLayout.GroupedQuery(
            config.LayerCount, PdRig.Page, config.KvHeadCount, config.HeadDim, model.Backend.KvElement);
        using KvStore store = model.Backend.CreateKvStore(layout, blockCount);
        using TensorParallelRunner runner = new(
            [model.Backend], [model.Weights], KvMemory.InHost(store, 1), 512);
        using Worker worker = new(
            "alone", new SchedulerOptions { ContextTokens = config.MaxPositions },
            new KvSpace(new(blockCount, PdRig.Page), null, usesCache: false), runner, TimeProvider.System);
        Sequence sequence = new(request, new Silent(), 1);
        worker.Submit(sequence);
        while (sequence.Phase != SequencePhase.Finished)
            worker.Step();
        return sequence.Reward!.Value;
    }

    private static string Folder() => TestFiles.Golden("extras", "reward-llama");

    private static Task<Engine> StartAsync(string backend, Topology? plan = null) => Engine.StartAsync(
        PdRig.On(EngineRig.Options(Folder()), backend) with { Topology = plan, PageSize = PdRig.Page });

    private static (int[] Ids, double Score)[] Cases()
    {
        using JsonDocument golden = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(Folder(), "golden.json")));
        return [.. golden.RootElement.GetProperty("cases").EnumerateArray().Select(one => (
            one.GetProperty("input_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray(),
            one.GetProperty("score").GetDouble()))];
    }

    /// <summary>Another head, all else as it is.</summary>
    private static WeightUpdate Doubled()
    {
        using ICheckpoint checkpoint = Checkpoint.Open(Folder());
        int hidden = checkpoint.Config.HiddenSize;
        float[] head = new float[hidden];
        checkpoint.Read(ModelTensors.RewardHead, 0, head);
        WeightUpdate update = new() { IsPartial = true };
        update.Add(ModelTensors.RewardHead, [1, hidden], [.. head.Select(value => value * 2)]);
        return update;
    }

    /// <summary>The golden folder with so many rows in its head, and so many labels.</summary>
    private static string Copy(int rows, int labels)
    {
        string folder = TestFiles.Scratch();
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder(), "config.json")))!;
        config["num_labels"] = labels;
        File.WriteAllText(Path.Combine(folder, "config.json"), config.ToJsonString());
        using ICheckpoint source = Checkpoint.Open(Folder());
        SafetensorsWriter writer = new();
        foreach (TensorShape tensor in ModelTensors.Of(source.Config))
        {
            if (tensor.Name != ModelTensors.RewardHead)
            {
                writer.Add(tensor.Name, SafetensorsDtype.BF16, tensor.Shape,
                    (first, values) => source.Read(tensor.Name, first, values));
            }
            else if (rows > 0)
                writer.Add(tensor.Name, SafetensorsDtype.BF16, [rows, tensor.Shape[1]], (_, _) => { });
        }
        writer.Write(Path.Combine(folder, "model.safetensors"));
        return folder;
    }

    /// <summary>
    /// The model as the golden has it: rounding its weights to bf16 rounded the RoPE frequencies with them,
    /// and those stayed so when it was widened again. Nothing in the checkpoint says that.
    /// </summary>
    private sealed class GoldenRope(ICheckpoint stored) : ICheckpoint
    {
        public string Path => stored.Path;

        public ModelConfig Config { get; } = stored.Config with
        {
            Rope = stored.Config.Rope with
            {
                InverseFrequencies = [.. stored.Config.Rope.InverseFrequencies.Select(Round)],
            },
        };

        public IReadOnlyList<long>? ShapeOf(string name) => stored.ShapeOf(name);

        public void Read(string name, long firstElement, Span<float> destination) =>
            stored.Read(name, firstElement, destination);

        public void Dispose() => stored.Dispose();

        private static float Round(float value)
        {
            byte[] bits = new byte[2];
            FloatNarrowing.ToBFloat16([value], bits);
            return BitConverter.UInt32BitsToSingle((uint)BitConverter.ToUInt16(bits) << 16);
        }
    }

    private sealed class Silent : ISequenceObserver
    {
        public string? OnToken(Sequence sequence) => null;

        public void OnFinished(Sequence sequence)
        {
        }
    }
}
