namespace PdEngine.Tests;

/// <summary>Segments that ranks make apart add up to what one product makes of them.</summary>
public sealed class AddPartialsTests
{
    private const int Inputs = 184;
    private const int Outputs = 53;

    [Test]
    public void Partial_products_add_up_to_the_bits_of_the_whole(
        [ValueSource(typeof(TestBackends), nameof(TestBackends.Names))] string name,
        [Values(2, 4)] int ranks, [Values(1, 3, 20)] int rows, [Values] bool hasBias, [Values] bool isTiny)
    {
        using IBackend backend = TestBackends.Require(name).Open!();
        Random random = new(51);
        // Tiny products are denormal, which the instruction sets take for zero and the reference does not.
        float[] inputs = Scaled(TestTensors.Values(random, rows * Inputs), isTiny ? 1e-20f : 1);
        float[] weights = Scaled(TestTensors.Values(random, Outputs * Inputs), isTiny ? 3e-18f : 1);
        float[] biases = Scaled(TestTensors.Values(random, Outputs), isTiny ? 1e-37f : 1);
        using Tensor? bias = hasBias ? TestTensors.Filled(backend, 1, Outputs, biases) : null;
        using Tensor input = TestTensors.Filled(backend, rows, Inputs, inputs);
        using Matrix whole = TestTensors.Matrix(backend, Outputs, Inputs, 4, weights);
        float[] before = TestTensors.Values(random, rows * Outputs);
        using Tensor expected = TestTensors.Filled(backend, rows, Outputs, before);
        backend.MatMulAdd(input, whole, bias, expected);
        Tensor[] partials = new Tensor[ranks];
        for (int rank = 0; rank < ranks; rank++)
            partials[rank] = Partial(backend, input, weights, rank, ranks);
        using Tensor sum = TestTensors.Filled(backend, rows, Outputs, before);
        foreach (int rank in new[] { 1, 0, 3, 2 }.Where(rank => rank < ranks))
        {
            (int first, int count) = new WeightShard(rank, ranks).PartOf(Outputs, 16);
            backend.AddPartials(partials, bias, sum, first, count);
        }
        TestTensors.AssertSameBits(TestTensors.Copy(sum), TestTensors.Copy(expected));
        foreach (Tensor partial in partials)
            partial.Dispose();
    }

    [TestCase(100, 2, "0-64 64-100")]
    [TestCase(77, 4, "0-0 0-32 32-64 64-77")]
    [TestCase(128, 4, "0-32 32-64 64-96 96-128")]
    [TestCase(5, 2, "0-0 0-5")]
    public void Shares_are_whole_units_that_cover_everything_once(int total, int ranks, string expected)
    {
        IEnumerable<string> shares = Enumerable.Range(0, ranks).Select(rank =>
        {
            (int first, int count) = new WeightShard(rank, ranks).PartOf(total, 32);
            return $"{first}-{first + count}";
        });
        Assert.That(string.Join(' ', shares), Is.EqualTo(expected));
    }

    private static Tensor Partial(IBackend backend, Tensor input, float[] weights, int rank, int ranks)
    {
        (int first, int count) = new WeightShard(rank, ranks).PartOf(Inputs);
        float[] own = [.. Enumerable.Range(0, Outputs)
            .SelectMany(row => weights[((row * Inputs) + first)..((row * Inputs) + first + count)])];
        using Matrix shard = TestTensors.Matrix(backend, Outputs, count, 4 / ranks, own);
        Tensor partial = backend.CreateTensor(input.Rows, Outputs);
        backend.MatMul(input.View(first, count), shard, null, partial);
        return partial;
    }

    private static float[] Scaled(float[] values, float scale) =>
        Array.ConvertAll(values, value => value * scale);
}
