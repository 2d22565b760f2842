using System.Text.Json;

namespace PdEngine.Tests;

[Category("Goldens")]
public sealed class TinyGoldenCheckpointTests
{
    [Test]
    public void Dense_models_open_as_their_configs_say_and_others_are_refused_by_name()
    {
        int dense = 0;
        foreach (string folder in Directory.GetDirectories(TestFiles.Golden("models")))
        {
            JsonElement json = TinyGoldens.Config(folder);
            if (!TinyGoldens.IsDense(folder))
            {
                string type = json.GetProperty("model_type").GetString()!;
                TinyModel.AssertRefused(() => Checkpoint.Open(folder), $"'{type}'", "not supported");
                continue;
            }
            using ICheckpoint checkpoint = Checkpoint.Open(folder);
            ModelConfig config = checkpoint.Config;
            Assert.That(config.HiddenSize, Is.EqualTo(json.GetProperty("hidden_size").GetInt32()));
            Assert.That(config.LayerCount, Is.EqualTo(json.GetProperty("num_hidden_layers").GetInt32()));
            Assert.That(config.KvHeadCount, Is.EqualTo(json.GetProperty("num_key_value_heads").GetInt32()));
            int positions = json.GetProperty("max_position_embeddings").GetInt32();
            Assert.That(config.MaxPositions, Is.EqualTo(positions));
            bool isTied = json.GetProperty("tie_word_embeddings").GetBoolean();
            Assert.That(config.TieWordEmbeddings, Is.EqualTo(isTied));
            Assert.That(config.EosTokenIds, Does.Contain(json.GetProperty("eos_token_id").GetInt32()));
            foreach (TensorShape tensor in ModelTensors.Of(config))
            {
                float[] values = TinyModel.ReadAll(checkpoint, tensor.Name);
                Assert.That(values, Is.All.Matches<float>(float.IsFinite), tensor.Name);
            }
            dense++;
        }
        Assert.That(dense, Is.GreaterThan(0));
    }
}
