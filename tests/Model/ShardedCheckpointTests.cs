using System.Text;
using System.Text.Json.Nodes;

namespace PdEngine.Tests;

public sealed class ShardedCheckpointTests
{
    private string _folder = "";
    private List<(string Name, SafetensorsDtype Dtype, long[] Shape)> _tensors = [];

    [SetUp]
    public void WriteConfig()
    {
        _folder = TestFiles.Scratch(TestContext.CurrentContext.Test.Name);
        File.WriteAllText(Path.Combine(_folder, "config.json"), TinyModel.Config());
        _tensors = TinyModel.Tensors(TinyModel.Config());
    }

    [Test]
    public void Shards_read_as_one_model()
    {
        Write("a.safetensors", _tensors[..5]);
        Directory.CreateDirectory(Path.Combine(_folder, "more"));
        Write("more/b.safetensors", _tensors[5..]);
        WriteIndex(index => index < 5 ? "a.safetensors" : "more/b.safetensors");
        using ICheckpoint checkpoint = Checkpoint.Open(_folder);
        foreach ((string name, _, long[] shape) in _tensors)
        {
            float[] expected = new float[TensorShape.Count(shape)];
            TinyModel.Count(0, expected);
            Assert.That(TinyModel.ReadAll(checkpoint, name), Is.EqualTo(expected).Within(1).Percent, name);
        }
    }

    [TestCase("../model.safetensors")]
    [TestCase("a/../../model.safetensors")]
    [TestCase("/etc/model.safetensors")]
    [TestCase("..\\\\model.safetensors")]
    [TestCase("C:\\\\model.safetensors")]
    [TestCase("./model.safetensors")]
    [TestCase("a//b")]
    [TestCase("a\\u0000b")]
    [TestCase("")]
    public void A_shard_outside_the_folder_is_refused(string name) => TinyModel.AssertRefused(
        () => HfFolder.ParseIndex(
            "index", Encoding.UTF8.GetBytes($"{{\"weight_map\":{{\"t\":\"{name}\"}}}}")),
        "'t'", "inside the folder");

    [TestCase("{}", "weight_map is missing")]
    [TestCase("{\"weight_map\":{}}", "weight_map is empty")]
    [TestCase("{\"weight_map\":[]}", "must be an object")]
    [TestCase("{\"weight_map\":{\"t\":1}}", "weight_map.t is not a string")]
    [TestCase("{\"weight_map\":{\"t\":\"a\",\"t\":\"b\"}}", "not valid JSON")]
    [TestCase("{\"weight_map\":{\"t\":\"\\ud800\"}}", "not valid Unicode")]
    [TestCase("{\"weight_map\":{\"\\ud800\":\"a\"}}", "not valid JSON")]
    public void A_malformed_index_is_refused(string json, string part) => TinyModel.AssertRefused(
        () => HfFolder.ParseIndex("index", Encoding.UTF8.GetBytes(json)), "index", part);

    [Test]
    public void A_missing_shard_is_refused()
    {
        Write("a.safetensors", _tensors[..5]);
        WriteIndex(index => index < 5 ? "a.safetensors" : "b.safetensors");
        TinyModel.AssertRefused(() => Checkpoint.Open(_folder), "b.safetensors", "cannot be opened");
    }

    [Test]
    public void A_tensor_in_two_shards_is_refused()
    {
        Write("a.safetensors", _tensors[..6]);
        Write("b.safetensors", _tensors[5..]);
        WriteIndex(index => index < 5 ? "a.safetensors" : "b.safetensors");
        TinyModel.AssertRefused(() => Checkpoint.Open(_folder), _tensors[5].Name, "is also in");
    }

    [Test]
    public void A_tensor_that_is_not_where_the_index_puts_it_is_refused()
    {
        Write("a.safetensors", _tensors[..5]);
        Write("b.safetensors", _tensors[5..]);
        WriteIndex(index => index < 6 ? "a.safetensors" : "b.safetensors");
        TinyModel.AssertRefused(() => Checkpoint.Open(_folder), _tensors[5].Name, "a.safetensors");
    }

    private void Write(
        string name, IEnumerable<(string Name, SafetensorsDtype Dtype, long[] Shape)> tensors) =>
        TinyModel.Write(Path.Combine(_folder, name), tensors);

    private void WriteIndex(Func<int, string> fileOf)
    {
        JsonObject map = [];
        for (int index = 0; index < _tensors.Count; index++)
            map[_tensors[index].Name] = fileOf(index);
        File.WriteAllText(
            Path.Combine(_folder, "model.safetensors.index.json"),
            new JsonObject { ["metadata"] = new JsonObject(), ["weight_map"] = map }.ToJsonString());
    }
}
