namespace PdEngine.Tests;

public sealed class CheckpointTests
{
    [Test]
    public void A_path_that_is_not_there_is_refused() =>
        TinyModel.AssertRefused(() => Checkpoint.Open("/no/such/model"), "/no/such/model", "no such file");

    [Test]
    public void A_folder_without_a_model_is_refused() =>
        TinyModel.AssertRefused(() => Checkpoint.Open(TestFiles.Scratch()), "holds no model");

    [Test]
    public void A_file_of_another_kind_is_refused()
    {
        string path = Path.Combine(TestFiles.Scratch(), "model.bin");
        File.WriteAllText(path, "weights");
        TinyModel.AssertRefused(() => Checkpoint.Open(path), "not read");
    }

    [Test]
    public void A_config_without_weights_is_refused()
    {
        string folder = TestFiles.Scratch();
        File.WriteAllText(Path.Combine(folder, "config.json"), TinyModel.Config());
        TinyModel.AssertRefused(() => Checkpoint.Open(folder), "no weights");
    }

    [Test]
    public void Weights_without_a_config_are_refused()
    {
        string folder = TestFiles.Scratch();
        TinyModel.Write(Path.Combine(folder, "model.safetensors"), TinyModel.Tensors(TinyModel.Config()));
        TinyModel.AssertRefused(() => Checkpoint.Open(folder), "no config.json");
    }

    [Test]
    public void A_folder_with_one_gguf_opens_and_with_two_is_refused()
    {
        string folder = TestFiles.Scratch();
        using (ICheckpoint source = Checkpoint.Open(
            TinyModel.Folder(Path.Combine(folder, "hf"), TinyModel.Config("qwen3"))))
            GgufExport.Write(source, Path.Combine(folder, "a.gguf"), GgufType.BF16, null);
        using (ICheckpoint opened = Checkpoint.Open(folder))
            Assert.That(opened.Config.Family, Is.EqualTo(ModelFamily.Qwen3));
        File.Copy(Path.Combine(folder, "a.gguf"), Path.Combine(folder, "b.gguf"));
        TinyModel.AssertRefused(() => Checkpoint.Open(folder), "2 .gguf files");
    }

    [TestCase("llama")]
    [TestCase("mistral")]
    [TestCase("qwen2")]
    [TestCase("qwen3")]
    public void A_random_model_of_each_family_opens_and_reads(string family)
    {
        string folder = TinyModel.Folder(TestFiles.Scratch($"open-{family}"), TinyModel.Config(family));
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        Assert.That(checkpoint.Path, Is.EqualTo(folder));
        foreach (TensorShape tensor in ModelTensors.Of(checkpoint.Config))
        {
            Assert.That(checkpoint.ShapeOf(tensor.Name), Is.EqualTo(tensor.Shape));
            float[] whole = TinyModel.ReadAll(checkpoint, tensor.Name);
            Assert.That(whole, Is.All.Matches<float>(float.IsNormal), tensor.Name);
            float[] part = new float[3];
            checkpoint.Read(tensor.Name, 1, part);
            Assert.That(part, Is.EqualTo(whole[1..4]));
        }
        Assert.That(checkpoint.ShapeOf("model.layers.9.input_layernorm.weight"), Is.Null);
        Assert.That(
            ModelTensors.CountOf(checkpoint.Config), Is.EqualTo(ModelTensors.Of(checkpoint.Config).Count()));
    }

    [Test]
    public void A_missing_tensor_is_refused() => AssertRefused(
        tensors => tensors.RemoveAll(tensor => tensor.Name == "model.layers.1.mlp.up_proj.weight"),
        "'model.layers.1.mlp.up_proj.weight' [24, 16] is missing");

    [Test]
    public void A_missing_head_says_how_it_may_be_tied() => AssertRefused(
        tensors => tensors.RemoveAll(tensor => tensor.Name == "lm_head.weight"), "tie_word_embeddings");

    [Test]
    public void A_wrong_shape_is_refused_with_both_shapes() => AssertRefused(
        tensors => Replace(tensors, "model.layers.0.self_attn.k_proj.weight", SafetensorsDtype.BF16, [16, 8]),
        "k_proj.weight' has shape [16, 8]", "calls for [8, 16]");

    [Test]
    public void An_unexpected_tensor_is_refused() => AssertRefused(
        tensors => tensors.Add(("model.layers.0.self_attn.q_proj.bias", SafetensorsDtype.BF16, [16])),
        "q_proj.bias' [16] does not belong to a Llama model");

    [Test]
    public void A_layer_beyond_the_configured_ones_is_refused() => AssertRefused(
        tensors => tensors.Add(("model.layers.2.input_layernorm.weight", SafetensorsDtype.BF16, [16])),
        "model.layers.2.input_layernorm.weight", "2 layers");

    [Test]
    public void A_weight_of_a_type_that_is_not_read_is_refused()
    {
        string folder = TestFiles.Scratch();
        File.WriteAllText(Path.Combine(folder, "config.json"), TinyModel.Config());
        string path = Path.Combine(folder, "model.safetensors");
        List<(string Name, SafetensorsDtype, long[])> tensors = TinyModel.Tensors(TinyModel.Config());
        TinyModel.Write(path, tensors);
        byte[] bytes = File.ReadAllBytes(path);
        int at = bytes.AsSpan().IndexOf("\"BF16\""u8);
        " \"I16\""u8.CopyTo(bytes.AsSpan(at));
        File.WriteAllBytes(path, bytes);
        TinyModel.AssertRefused(() => Checkpoint.Open(folder), "embed_tokens.weight' is I16", "BF16");
    }

    [Test]
    public void Left_over_rotary_tables_and_tied_heads_are_ignored()
    {
        string folder = TestFiles.Scratch();
        string config = TinyModel.Config("llama", ("tie_word_embeddings", "true"));
        File.WriteAllText(Path.Combine(folder, "config.json"), config);
        TinyModel.Write(Path.Combine(folder, "model.safetensors"), [
            .. TinyModel.Tensors(config), ("lm_head.weight", SafetensorsDtype.F16, [20, 16]),
            ("model.layers.0.self_attn.rotary_emb.inv_freq", SafetensorsDtype.F32, [2])]);
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        Assert.That(checkpoint.Config.TieWordEmbeddings, Is.True);
    }

    [Test]
    public void A_truncated_file_is_refused()
    {
        string folder = TinyModel.Folder(TestFiles.Scratch(), TinyModel.Config());
        string path = Path.Combine(folder, "model.safetensors");
        byte[] bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, bytes[..^1]);
        TinyModel.AssertRefused(() => Checkpoint.Open(folder), "truncated");
        File.WriteAllBytes(path, []);
        TinyModel.AssertRefused(() => Checkpoint.Open(folder), "0 bytes");
    }

    [Test]
    public void Reading_from_several_threads_gives_what_one_gives()
    {
        string folder = TinyModel.Folder(TestFiles.Scratch(), RandomCheckpoint.ConfigOf("tiny"));
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        float[] whole = TinyModel.ReadAll(checkpoint, ModelTensors.Embedding);
        Parallel.For(0, 64, index =>
        {
            float[] part = new float[1000];
            checkpoint.Read(ModelTensors.Embedding, index * 100, part);
            Assert.That(part.AsSpan().SequenceEqual(whole.AsSpan(index * 100, 1000)), Is.True);
        });
    }

    private static void Replace(
        List<(string Name, SafetensorsDtype Dtype, long[] Shape)> tensors, string name,
        SafetensorsDtype dtype, long[] shape) =>
        tensors[tensors.FindIndex(tensor => tensor.Name == name)] = (name, dtype, shape);

    private static void AssertRefused(
        Action<List<(string Name, SafetensorsDtype Dtype, long[] Shape)>> spoil, params string[] parts)
    {
        string folder = TestFiles.Scratch(TestContext.CurrentContext.Test.Name);
        File.WriteAllText(Path.Combine(folder, "config.json"), TinyModel.Config());
        List<(string Name, SafetensorsDtype Dtype, long[] Shape)> tensors =
            TinyModel.Tensors(TinyModel.Config());
        spoil(tensors);
        TinyModel.Write(Path.Combine(folder, "model.safetensors"), tensors);
        TinyModel.AssertRefused(() => Checkpoint.Open(folder), parts);
    }
}
