namespace PdEngine.Tests;

public sealed class RandomCheckpointTests
{
    [Test]
    public void The_tiny_shape_opens()
    {
        string folder = TinyModel.Folder(TestFiles.Scratch(), RandomCheckpoint.ConfigOf("tiny"));
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        Assert.That(checkpoint.Config.QkNorm, Is.True);
        float[] norm = TinyModel.ReadAll(checkpoint, "model.norm.weight");
        Assert.That(norm.Average(), Is.EqualTo(1).Within(0.05));
        float[] matrix = TinyModel.ReadAll(checkpoint, "model.layers.0.mlp.gate_proj.weight");
        double deviation = Math.Sqrt(matrix.Average(value => (double)value * value));
        Assert.That(deviation, Is.EqualTo(0.5 / Math.Sqrt(64)).Within(5).Percent);
        Assert.That(matrix.Average(), Is.EqualTo(0).Within(0.005));
    }

    [Test]
    public void Every_named_shape_is_a_config_that_parses()
    {
        foreach (string shape in RandomCheckpoint.Shapes)
        {
            byte[] config = System.Text.Encoding.UTF8.GetBytes(RandomCheckpoint.ConfigOf(shape));
            Assert.That(HfConfig.Parse(shape, config).HeadDim, Is.GreaterThan(0));
        }
        Assert.Throws<OptionsException>(() => RandomCheckpoint.ConfigOf("huge"));
    }

    [Test]
    public void Weights_are_a_function_of_the_seed()
    {
        string folder = TestFiles.Scratch();
        byte[] first = Weights(Path.Combine(folder, "a"), 1);
        Assert.That(Weights(Path.Combine(folder, "b"), 1), Is.EqualTo(first));
        Assert.That(Weights(Path.Combine(folder, "c"), 2), Is.Not.EqualTo(first));

        static byte[] Weights(string folder, ulong seed)
        {
            RandomCheckpoint.Write(folder, TinyModel.Config(), seed);
            return File.ReadAllBytes(Path.Combine(folder, "model.safetensors"));
        }
    }

    [TestCase(259)]
    [TestCase(5000)]
    public void A_made_up_vocabulary_has_its_size_and_no_token_twice(int size)
    {
        GgufVocabulary vocabulary = RandomVocabulary.Make(size, "smollm");
        Assert.That(vocabulary.Tokens, Has.Length.EqualTo(size).And.Unique);
        Assert.That(vocabulary.TokenTypes, Has.Length.EqualTo(size));
        Assert.That(vocabulary.Tokens[vocabulary.EosId!.Value], Is.EqualTo("<|endoftext|>"));
        HashSet<string> tokens = [.. vocabulary.Tokens];
        foreach (string merge in vocabulary.Merges)
            Assert.That(tokens, Does.Contain(merge.Replace(" ", "")), merge);
    }
}
