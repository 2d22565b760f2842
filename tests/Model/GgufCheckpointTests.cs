namespace PdEngine.Tests;

public sealed class GgufCheckpointTests
{
    private static readonly string[] Families = ["llama", "qwen2", "qwen3"];

    [Test]
    [Category("Goldens")]
    public void The_real_checkpoint_opens_with_its_known_shape()
    {
        using GgufCheckpoint checkpoint = GgufCheckpoint.Open(TestFiles.SmolLm2());
        ModelConfig config = checkpoint.Config;
        Assert.Multiple(() =>
        {
            Assert.That(config.Family, Is.EqualTo(ModelFamily.Llama));
            Assert.That(
                (config.LayerCount, config.HiddenSize, config.HeadCount, config.KvHeadCount, config.HeadDim),
                Is.EqualTo((30, 576, 9, 3, 64)));
            Assert.That((config.IntermediateSize, config.VocabularySize), Is.EqualTo((1536, 49_152)));
            Assert.That((config.TieWordEmbeddings, config.MaxPositions), Is.EqualTo((true, 8192)));
            Assert.That(config.EosTokenIds, Is.EqualTo(new[] { 2 }));
            Assert.That(config.BosTokenId, Is.EqualTo(1));
            Assert.That(
                config.Rope.InverseFrequencies[1],
                Is.EqualTo(Math.Pow(100_000, -1 / 32.0)).Within(1e-5).Percent);
        });
        GgufVocabulary vocabulary = checkpoint.Vocabulary!;
        Assert.Multiple(() =>
        {
            Assert.That((vocabulary.Model, vocabulary.Pre), Is.EqualTo(("gpt2", "smollm")));
            Assert.That(vocabulary.Tokens, Has.Length.EqualTo(49_152));
            Assert.That(vocabulary.TokenTypes, Has.Length.EqualTo(49_152));
            Assert.That(vocabulary.Tokens[2], Is.EqualTo("<|im_end|>"));
            Assert.That(vocabulary.TokenTypes[2], Is.EqualTo(3));
            Assert.That(vocabulary.Merges, Is.Not.Empty);
            Assert.That((vocabulary.BosId, vocabulary.EosId, vocabulary.AddBos), Is.EqualTo((1, 2, false)));
            Assert.That(vocabulary.ChatTemplate, Does.Contain("<|im_start|>"));
        });
    }

    [Test]
    [Category("Goldens")]
    public void The_real_checkpoints_weights_have_the_size_of_weights()
    {
        using GgufFile file = GgufFile.Open(TestFiles.SmolLm2());
        Assert.That(
            file.Tensors.Values.CountBy(tensor => tensor.Type),
            Is.EquivalentTo(new KeyValuePair<GgufType, int>[]
                { new(GgufType.Q4_1, 210), new(GgufType.F32, 61), new(GgufType.Q8_0, 1) }));
        float[] values = new float[200_000];
        foreach (GgufTensor tensor in file.Tensors.Values.Where(tensor => tensor.Shape.Length == 2).Take(20))
        {
            long count = TensorShape.Count(tensor.Shape);
            Span<float> part = values.AsSpan(0, (int)Math.Min(values.Length, count));
            file.Read(tensor, count - part.Length, part);
            double meanSquare = 0;
            foreach (float value in part)
                meanSquare += (double)value * value / part.Length;
            Assert.That(Math.Sqrt(meanSquare), Is.InRange(0.005, 1.0), tensor.Name);
        }
    }

    [Test]
    public void An_exported_model_reads_as_the_original(
        [ValueSource(nameof(Families))] string family, [Values] bool isTied, [Values] bool hasBias)
    {
        string folder = TestFiles.Scratch($"export-{family}-{isTied}-{hasBias}");
        string config = TinyModel.Config(
            family, ("tie_word_embeddings", isTied ? "true" : "false"),
            ("attention_bias", hasBias ? "true" : "false"), ("head_dim", "8"), ("rope_theta", "50000"));
        using ICheckpoint source = Checkpoint.Open(TinyModel.Folder(Path.Combine(folder, "hf"), config));
        AssertSameThroughGguf(source, Path.Combine(folder, "model.gguf"));
    }

    [Test]
    [Category("Goldens")]
    public void A_golden_model_written_as_gguf_reads_as_the_original()
    {
        string scratch = TestFiles.Scratch();
        int done = 0;
        foreach (string folder in Directory.GetDirectories(TestFiles.Golden("models")))
        {
            if (!TinyGoldens.IsDense(folder))
                continue;
            using ICheckpoint source = Checkpoint.Open(folder);
            if (source.Config.Rope.AttentionFactor != 1)
                continue;
            AssertSameThroughGguf(source, Path.Combine(scratch, Path.GetFileName(folder) + ".gguf"));
            done++;
        }
        Assert.That(done, Is.GreaterThan(0));
    }

    [Test]
    public void Rotary_rows_are_put_back_from_pairs_to_halves()
    {
        // Two heads of 8: the row of pair j, element a is stored at 2j + a.
        long[] expected = [0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15];
        Assert.That(
            Enumerable.Range(0, 16).Select(row => GgufCheckpoint.StoredRow(row, 8)), Is.EqualTo(expected));
        string path = Path.Combine(TestFiles.Scratch(), "m.gguf");
        WriteMinimal(path);
        using GgufCheckpoint checkpoint = GgufCheckpoint.Open(path);
        float[] query = TinyModel.ReadAll(checkpoint, "model.layers.0.self_attn.q_proj.weight");
        float[] value = TinyModel.ReadAll(checkpoint, "model.layers.0.self_attn.v_proj.weight");
        Assert.That(
            query.Chunk(16).Select(row => row[0] * 64 / 16), Is.EqualTo(expected.Select(row => (float)row)));
        Assert.That(
            value.Chunk(16).Select(row => row[0] * 64 / 16),
            Is.EqualTo(Enumerable.Range(0, 8).Select(row => (float)row)));
        float[] part = new float[37];
        checkpoint.Read("model.layers.0.self_attn.q_proj.weight", 21, part);
        Assert.That(part, Is.EqualTo(query[21..58]));
    }

    [Test]
    public void Baked_rope_factors_divide_the_frequencies()
    {
        string path = Path.Combine(TestFiles.Scratch(), "m.gguf");
        WriteMinimal(path, writer => writer.AddTensor(
            "rope_freqs.weight", GgufType.F32, [4], (first, values) => values.Fill(2)));
        using GgufCheckpoint checkpoint = GgufCheckpoint.Open(path);
        Assert.That(checkpoint.Config.Rope.InverseFrequencies[0], Is.EqualTo(0.5f));
    }

    [Test]
    public void Yarn_and_linear_keys_are_read()
    {
        string folder = TestFiles.Scratch();
        WriteMinimal(
            Path.Combine(folder, "l.gguf"), writer => writer.AddNumber("llama.rope.scaling.factor", 4));
        using (GgufCheckpoint linear = GgufCheckpoint.Open(Path.Combine(folder, "l.gguf")))
            Assert.That(linear.Config.Rope.InverseFrequencies[0], Is.EqualTo(0.25f));
        WriteMinimal(Path.Combine(folder, "y.gguf"), writer =>
        {
            writer.AddText("llama.rope.scaling.type", "yarn");
            writer.AddNumber("llama.rope.scaling.factor", 4);
            writer.AddInteger("llama.rope.scaling.original_context_length", 64);
        });
        using GgufCheckpoint yarn = GgufCheckpoint.Open(Path.Combine(folder, "y.gguf"));
        ModelConfig hf = TinyModel.Parse(
            "llama", ("head_dim", "8"),
            ("rope_scaling", "{\"type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":64}"));
        Assert.That(yarn.Config.Rope.InverseFrequencies, Is.EqualTo(hf.Rope.InverseFrequencies));
        Assert.That(yarn.Config.Rope.AttentionFactor, Is.EqualTo(hf.Rope.AttentionFactor));
        Assert.That(yarn.Config.MaxPositions, Is.EqualTo(hf.MaxPositions));
    }

    private static IEnumerable<TestCaseData> Refusals()
    {
        yield return Case("split", writer => writer.AddInteger("split.count", 3), "split.count", "merge");
        yield return Case("experts", writer => writer.AddInteger("llama.expert_count", 8), "mixtures of " +
                                                                                           "experts");
        yield return Case(
            "partial rope", writer => writer.AddInteger("llama.rope.dimension_count", 4), "whole heads of 8");
        yield return Case(
            "value width", writer => writer.AddInteger("llama.attention.value_length", 4), "value_length");
        yield return Case(
            "rope kind", writer => writer.AddText("llama.rope.scaling.type", "longrope"), "'longrope'");
        yield return Case("extra tensor", writer => writer.AddTensor(
            "blk.0.attn_q.scale", GgufType.F32, [1], TinyModel.Count), "attn_q.scale", "does not belong");
        yield return Case("bias of one", writer => writer.AddTensor(
            "blk.0.attn_q.bias", GgufType.F32, [16], TinyModel.Count), "k_proj.bias' [8] is missing");
        yield return Case("rope factors", writer => writer.AddTensor(
            "rope_freqs.weight", GgufType.F32, [3], TinyModel.Count), "[3]; [4] is due");
        yield return Case("rope factor 0", writer => writer.AddTensor(
            "rope_freqs.weight", GgufType.F32, [4], TinyModel.Count), "holds 0 at 0");
        yield return Case("two names", writer => writer.AddTensor(
            "model.norm.weight", GgufType.F32, [16], TinyModel.Count), "two names");
        yield return Case("tokens", writer =>
        {
            writer.AddText("tokenizer.ggml.model", "gpt2");
            writer.AddTexts("tokenizer.ggml.tokens", new string[33]
                .Select((_, id) => $"t{id}").ToArray());
        }, "33 tokens for 32");
        yield return Case("token types", writer =>
        {
            writer.AddText("tokenizer.ggml.model", "gpt2");
            writer.AddTexts("tokenizer.ggml.tokens", ["a"]);
            writer.AddIntegers("tokenizer.ggml.token_type", [1, 1]);
        }, "2 elements for 1 tokens");

        static TestCaseData Case(string name, Action<GgufWriter> more, params string[] parts) =>
            new TestCaseData(more, parts).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Refusals))]
    public void What_cannot_be_run_is_refused_with_its_reason(object more, string[] parts)
    {
        string path = Path.Combine(TestFiles.Scratch(), "m.gguf");
        WriteMinimal(path, (Action<GgufWriter>)more);
        TinyModel.AssertRefused(() => GgufCheckpoint.Open(path), parts);
    }

    [TestCase("qwen3moe")]
    [TestCase("deepseek2")]
    public void An_architecture_that_is_not_run_is_refused_by_name(string architecture)
    {
        string path = Path.Combine(TestFiles.Scratch(), "m.gguf");
        GgufWriter writer = new();
        writer.AddText("general.architecture", architecture);
        writer.Write(path);
        TinyModel.AssertRefused(() => GgufCheckpoint.Open(path), $"'{architecture}'", "qwen3");
    }

    /// <summary>
    /// A llama of one layer, two query heads and one key head of 8, whose element i of a tensor is i / 64.
    /// </summary>
    private static void WriteMinimal(string path, Action<GgufWriter>? more = null)
    {
        GgufWriter writer = new();
        writer.AddText("general.architecture", "llama");
        foreach ((string key, uint value) in ((string, uint)[])[
            ("block_count", 1), ("context_length", 64), ("embedding_length", 16), ("feed_forward_length", 24),
            ("attention.head_count", 2), ("attention.head_count_kv", 1)])
            writer.AddInteger($"llama.{key}", value);
        writer.AddNumber("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        foreach ((string name, long[] shape) in ((string, long[])[])[
            ("token_embd.weight", [32, 16]), ("output_norm.weight", [16]), ("blk.0.attn_norm.weight", [16]),
            ("blk.0.ffn_norm.weight", [16]), ("blk.0.attn_q.weight", [16, 16]),
            ("blk.0.attn_k.weight", [8, 16]), ("blk.0.attn_v.weight", [8, 16]),
            ("blk.0.attn_output.weight", [16, 16]),
            ("blk.0.ffn_gate.weight", [24, 16]), ("blk.0.ffn_up.weight", [24, 16]),
            ("blk.0.ffn_down.weight", [16, 24])])
            writer.AddTensor(name, GgufType.F32, shape, TinyModel.Count);
        more?.Invoke(writer);
        writer.Write(path);
    }

    private static void AssertSameThroughGguf(ICheckpoint source, string path)
    {
        GgufExport.Write(source, path, GgufType.F32, null);
        using ICheckpoint gguf = Checkpoint.Open(path);
        Assert.That(gguf.Config.Rope.InverseFrequencies, Is.EqualTo(source.Config.Rope.InverseFrequencies)
            .Within(1e-4).Percent);
        ModelConfig expected = source.Config with
        {
            Rope = gguf.Config.Rope, SlidingWindows = gguf.Config.SlidingWindows,
            EosTokenIds = gguf.Config.EosTokenIds, BosTokenId = gguf.Config.BosTokenId,
        };
        Assert.That(gguf.Config, Is.EqualTo(expected));
        foreach (TensorShape tensor in ModelTensors.Of(source.Config))
        {
            float[] original = TinyModel.ReadAll(source, tensor.Name);
            Assert.That(TinyModel.ReadAll(gguf, tensor.Name), Is.EqualTo(original), tensor.Name);
        }
    }
}
