namespace PdEngine.Tests;

public sealed class ModelWeightsTests
{
    [Test]
    public void Projections_are_stacked_in_order()
    {
        ModelConfig config = TestConfigs.Everything;
        SyntheticCheckpoint checkpoint = new(config, 3);
        using ReferenceBackend backend = new(1);
        using ModelWeights weights = ModelWeights.Load(checkpoint, backend);
        LayerWeights layer = weights.Layers[1];
        string attention = "model.layers.1.self_attn.";
        string mlp = "model.layers.1.mlp.";
        AssertRow(layer.Qkv, 119, attention + "q_proj.weight", 119);
        AssertRow(layer.Qkv, 120, attention + "k_proj.weight", 0);
        AssertRow(layer.Qkv, 239, attention + "v_proj.weight", 59);
        AssertRow(layer.GateUp, 97, mlp + "gate_proj.weight", 49);
        AssertRow(layer.GateUp, 17, mlp + "up_proj.weight", 1);
        Assert.That(layer.QkvBias!.Row(0)[180], Is.EqualTo(checkpoint.Element(attention + "v_proj.bias", 0)));
        Assert.That(layer.GateUpBias!.Row(0)[113], Is.EqualTo(checkpoint.Element(mlp + "up_proj.bias", 49)));
        Assert.That(layer.DownBias!.Row(0)[35], Is.EqualTo(checkpoint.Element(mlp + "down_proj.bias", 35)));

        void AssertRow(Matrix matrix, int row, string name, int sourceRow) => Assert.That(
            Row(backend, matrix, row), Is.EqualTo(checkpoint.Row(name, sourceRow, config.HiddenSize)), name);
    }

    [Test]
    public void Tied_models_multiply_with_the_embedding_itself()
    {
        using ReferenceBackend backend = new(1);
        using ModelWeights tied = ModelWeights.Load(new SyntheticCheckpoint(TestConfigs.Plain, 3), backend);
        using ModelWeights apart =
            ModelWeights.Load(new SyntheticCheckpoint(TestConfigs.Everything, 3), backend);
        Assert.That(tied.Head, Is.SameAs(tied.Embedding));
        Assert.That(apart.Head, Is.Not.SameAs(apart.Embedding));
        Assert.That(tied.Layers[0].QkvBias, Is.Null);
        Assert.That(tied.Layers[0].QueryNorm, Is.Null);
    }

    [TestCase(32, 4)]
    [TestCase(6, 2)]
    [TestCase(9, 1)]
    [TestCase(4, 4)]
    public void Row_parallel_products_have_as_many_segments_as_divide_them(int units, int segments) =>
        Assert.That(TensorParallel.SegmentsFor(units), Is.EqualTo(segments));

    [Test]
    public void Only_row_parallel_products_are_segmented()
    {
        using ReferenceBackend backend = new(1);
        ModelConfig config = TestConfigs.Config(6, 3, 20, 36, 52);
        using ModelWeights weights = ModelWeights.Load(new SyntheticCheckpoint(config, 3), backend);
        LayerWeights layer = weights.Layers[0];
        Assert.That(layer.Output.SegmentCount, Is.EqualTo(2));
        Assert.That(layer.Down.SegmentCount, Is.EqualTo(2), "segments of an odd length");
        Assert.That(layer.Qkv.SegmentCount, Is.EqualTo(1));
        Assert.That(layer.GateUp.SegmentCount, Is.EqualTo(1));
        Assert.That(weights.Head!.SegmentCount, Is.EqualTo(1));
    }

    [Test]
    public void Progress_rises_to_the_total_that_was_known_before([Values] bool everything)
    {
        ModelConfig config = everything ? TestConfigs.Everything : TestConfigs.Plain;
        using ReferenceBackend backend = new(1);
        Reports reports = new();
        using ModelWeights weights = ModelWeights.Load(new SyntheticCheckpoint(config, 3), backend, reports);
        Assert.That(reports.Bytes, Is.Ordered.Ascending);
        Assert.That(reports.Bytes[^1], Is.EqualTo(ModelWeights.LoadBytes(config)));
        Assert.That(weights.Bytes, Is.GreaterThanOrEqualTo(ModelWeights.LoadBytes(config)));
    }

    [TestCase("model.layers.2.mlp.down_proj.weight")]
    [TestCase("model.layers.1.self_attn.k_proj.bias")]
    [TestCase("model.norm.weight")]
    public void A_weight_that_cannot_be_read_says_so_itself_and_leaves_nothing_behind(string name)
    {
        using CountingBackend backend = new();
        SyntheticCheckpoint checkpoint = new(TestConfigs.Everything, 3) { Broken = name };
        CheckpointException error =
            Assert.Throws<CheckpointException>(() => ModelWeights.Load(checkpoint, backend))!;
        Assert.That(error.Message, Does.Contain(name));
        Assert.That(backend.LiveMatrices, Is.Zero);
    }

    [Test]
    public void A_failed_read_keeps_its_type_through_the_reference_backend_s_threads()
    {
        using ReferenceBackend backend = new(4);
        SyntheticCheckpoint checkpoint = new(TestConfigs.Plain, 3) { Broken = "model.embed_tokens.weight" };
        Assert.Throws<CheckpointException>(() => ModelWeights.Load(checkpoint, backend));
    }

    private static float[] Row(ReferenceBackend backend, Matrix matrix, int row)
    {
        using Tensor output = backend.CreateTensor(1, matrix.Columns);
        backend.Embed(matrix, [row], output);
        return output.Row(0).ToArray();
    }

    private sealed class Reports : IProgress<long>
    {
        public List<long> Bytes { get; } = [];

        public void Report(long value) => Bytes.Add(value);
    }
}
