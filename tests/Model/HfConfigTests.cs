using System.Text;

namespace PdEngine.Tests;

public sealed class HfConfigTests
{
    [Test]
    public void Sizes_are_read()
    {
        ModelConfig config = TinyModel.Parse("llama", ("bos_token_id", "1"));
        Assert.Multiple(() =>
        {
            Assert.That(config.Family, Is.EqualTo(ModelFamily.Llama));
            Assert.That(config.VocabularySize, Is.EqualTo(20));
            Assert.That(config.HiddenSize, Is.EqualTo(16));
            Assert.That(config.IntermediateSize, Is.EqualTo(24));
            Assert.That(config.LayerCount, Is.EqualTo(2));
            Assert.That(config.HeadCount, Is.EqualTo(4));
            Assert.That(config.KvHeadCount, Is.EqualTo(2));
            Assert.That(config.HeadDim, Is.EqualTo(4));
            Assert.That(config.RmsNormEpsilon, Is.EqualTo(1e-5f));
            Assert.That(config.MaxPositions, Is.EqualTo(64));
            Assert.That(config.TieWordEmbeddings, Is.False);
            Assert.That(config.BosTokenId, Is.EqualTo(1));
            Assert.That(config.EosTokenIds, Is.EqualTo(new[] { 2 }));
            Assert.That(config.SlidingWindows, Is.EqualTo(new[] { 0, 0 }));
        });
    }

    [TestCase("llama", false, false, false, false)]
    [TestCase("mistral", false, false, false, false)]
    [TestCase("qwen2", true, false, false, false)]
    [TestCase("qwen3", false, false, false, true)]
    [TestCase("llama", true, true, true, false, "attention_bias", "mlp_bias")]
    [TestCase("qwen3", true, true, false, true, "attention_bias", "mlp_bias")]
    [TestCase("qwen2", true, false, false, false, "attention_bias", "mlp_bias")]
    public void Families_differ_in_biases_and_norms(
        string family, bool qkvBias, bool outputBias, bool mlpBias, bool qkNorm, params string[] flags)
    {
        ModelConfig config = TinyModel.Parse(family, [.. flags.Select(flag => (flag, (string?)"true"))]);
        Assert.That(
            (config.QkvBias, config.OutputBias, config.MlpBias, config.QkNorm),
            Is.EqualTo((qkvBias, outputBias, mlpBias, qkNorm)));
    }

    [TestCase("llama", 4)]
    [TestCase("mistral", 4)]
    [TestCase("qwen2", 4)]
    [TestCase("qwen3", 128)]
    public void Head_dim_has_the_familys_default(string family, int headDim)
    {
        Assert.That(TinyModel.Parse(family, ("head_dim", null)).HeadDim, Is.EqualTo(headDim));
        Assert.That(TinyModel.Parse(family, ("head_dim", "null")).HeadDim, Is.EqualTo(headDim));
    }

    [Test]
    public void Key_value_heads_default_to_the_heads() =>
        Assert.That(TinyModel.Parse("llama", ("num_key_value_heads", null)).KvHeadCount, Is.EqualTo(4));

    [Test]
    public void The_architecture_alone_tells_the_family() =>
        Assert.That(TinyModel.Parse("mistral", ("model_type", null)).Family, Is.EqualTo(ModelFamily.Mistral));

    [Test]
    public void The_model_type_alone_tells_the_family() =>
        Assert.That(TinyModel.Parse("qwen3", ("architectures", null)).Family, Is.EqualTo(ModelFamily.Qwen3));

    [TestCase("mistral", new[] { 8, 8 }, "sliding_window=8")]
    [TestCase("mistral", new[] { 0, 0 }, "sliding_window=null")]
    [TestCase("mistral", new[] { 4096, 4096 }, "sliding_window")]
    [TestCase("mistral", new[] { 8, 0 }, "sliding_window=8",
        "layer_types=[\"sliding_attention\",\"full_attention\"]")]
    [TestCase("llama", new[] { 0, 0 }, "sliding_window=8")]
    [TestCase("qwen2", new[] { 0, 0 }, "sliding_window=8")]
    [TestCase("qwen2", new[] { 0, 8 }, "sliding_window=8", "use_sliding_window=true", "max_window_layers=1")]
    [TestCase("qwen3", new[] { 8, 8 }, "sliding_window=8", "use_sliding_window=true", "max_window_layers=0")]
    [TestCase("qwen3", new[] { 0, 0 }, "sliding_window=8", "use_sliding_window=true", "max_window_layers=2")]
    [TestCase("qwen3", new[] { 0, 0 }, "sliding_window=8", "use_sliding_window=true")]
    [TestCase("qwen3", new[] { 8, 0 }, "sliding_window=8", "use_sliding_window=true", "max_window_layers=2",
        "layer_types=[\"sliding_attention\",\"full_attention\"]")]
    public void Sliding_windows_are_per_layer(string family, int[] windows, params string[] changes) =>
        Assert.That(TinyModel.Parse(family, Changes(changes)).SlidingWindows, Is.EqualTo(windows));

    [TestCase("[2,3]", "{\"eos_token_id\":[3,5]}", new[] { 2, 3, 5 })]
    [TestCase("2", "{\"eos_token_id\":2,\"temperature\":0.1}", new[] { 2 })]
    [TestCase("null", "{\"eos_token_id\":9}", new[] { 9 })]
    [TestCase("4", "{}", new[] { 4 })]
    [TestCase("null", null, new int[0])]
    public void Stop_ids_are_the_union_of_both_files(string config, string? generation, int[] expected)
    {
        byte[]? generationJson = generation is null ? null : Encoding.UTF8.GetBytes(generation);
        byte[] json = Encoding.UTF8.GetBytes(TinyModel.Config("llama", ("eos_token_id", config)));
        Assert.That(HfConfig.Parse("c", json, "g", generationJson).EosTokenIds, Is.EqualTo(expected));
    }

    [TestCase("model_type 'mixtral'", "not supported yet", "model_type=\"mixtral\"")]
    [TestCase("model_type 'deepseek_v3'", "Qwen3ForCausalLM", "model_type=\"deepseek_v3\"")]
    [TestCase("'Qwen3MoeForCausalLM'", "supported are", "architectures=[\"Qwen3MoeForCausalLM\"]")]
    [TestCase("2 labels", "reward", "architectures=[\"LlamaForSequenceClassification\"]")]
    [TestCase("3 labels", "num_labels",
        "architectures=[\"LlamaForSequenceClassification\"]", "num_labels=3")]
    [TestCase("'LlamaForTokenClassification'", "reward", "architectures=[\"LlamaForTokenClassification\"]")]
    [TestCase("contradict", "qwen2", "model_type=\"qwen2\"")]
    [TestCase("neither model_type nor architectures", "", "model_type", "architectures")]
    [TestCase("quantization_config", "'fp8'", "quantization_config={\"quant_method\":\"fp8\"}")]
    [TestCase("compression_config", "unknown", "compression_config={}")]
    [TestCase("hidden_act 'gelu'", "silu", "hidden_act=\"gelu\"")]
    [TestCase("num_hidden_layers is 1000000000", "from 1 to", "num_hidden_layers=1000000000")]
    [TestCase("num_hidden_layers is 0", "from 1 to", "num_hidden_layers=0")]
    [TestCase("num_hidden_layers is missing", "", "num_hidden_layers")]
    [TestCase("vocab_size is 99999999999999999999", "from 1 to", "vocab_size=99999999999999999999")]
    [TestCase("vocab_size is -1", "from 1 to", "vocab_size=-1")]
    [TestCase("hidden_size is \"16\"", "whole number", "hidden_size=\"16\"")]
    [TestCase("hidden_size is 16.5", "whole number", "hidden_size=16.5")]
    [TestCase("hidden_size is 2147483647", "from 1 to", "hidden_size=2147483647")]
    [TestCase("intermediate_size is 0", "from 1 to", "intermediate_size=0")]
    [TestCase("4 attention heads cannot share 3", "", "num_key_value_heads=3")]
    [TestCase("4 attention heads cannot share 8", "", "num_key_value_heads=8")]
    [TestCase("head dimension is 5", "even", "head_dim=5")]
    [TestCase("hidden size 16 is not a multiple of 3", "", "num_attention_heads=3", "num_key_value_heads=3",
        "head_dim")]
    [TestCase("rms_norm_eps is -1", "", "rms_norm_eps=-1")]
    [TestCase("tie_word_embeddings is 1", "true or false", "tie_word_embeddings=1")]
    [TestCase("eos_token_id holds -1", "", "eos_token_id=[2,-1]")]
    [TestCase("eos_token_id holds {}", "", "eos_token_id={}")]
    [TestCase("architectures holds 1", "", "architectures=[1]")]
    [TestCase("max_position_embeddings is 0", "", "max_position_embeddings=0")]
    [TestCase("layer_types has 1 entries for 2 layers", "", "layer_types=[\"full_attention\"]")]
    [TestCase("chunked_attention", "", "layer_types=[\"full_attention\",\"chunked_attention\"]")]
    [TestCase("no sliding window in use", "", "layer_types=[\"full_attention\",\"sliding_attention\"]")]
    [TestCase("partial_rotary_factor is 0.5", "", "partial_rotary_factor=0.5")]
    public void What_cannot_be_run_is_refused_with_its_reason(
        string part, string other, params string[] changes) =>
        TinyModel.AssertRefused(() => TinyModel.Parse("llama", Changes(changes)), "config.json", part, other);

    [TestCase("{", "not valid JSON")]
    [TestCase("", "not valid JSON")]
    [TestCase("[]", "not an object")]
    [TestCase("{\"a\":1,\"a\":2}", "not valid JSON")]
    [TestCase("{\"model_type\":\"\\ud800\"}", "not valid Unicode")]
    public void A_config_that_is_no_json_object_is_refused(string json, string part) =>
        TinyModel.AssertRefused(() => HfConfig.Parse("config.json", Encoding.UTF8.GetBytes(json)), part);

    /// <summary>"key=json" replaces, "key" removes.</summary>
    private static (string Key, string? Json)[] Changes(string[] changes) =>
        [.. changes.Select(change => change.Split('=', 2))
            .Select(parts => (parts[0], parts.Length == 2 ? parts[1] : null))];
}
