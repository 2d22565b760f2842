namespace PdEngine.Tests;

/// <summary>
/// A decoder in double precision, one loop after another, straight from the checkpoint's tensors.
/// </summary>
internal sealed class NaiveModel(SyntheticCheckpoint checkpoint)
{
    private readonly ModelConfig _config = checkpoint.Config;

    /// <summary>Logits of every position [tokens][vocabulary].</summary>
    public double[][] Logits(int[] tokens)
    {
        int hidden = _config.HiddenSize;
        float[] table = checkpoint.Tensor("model.embed_tokens.weight", _config.VocabularySize * hidden);
        double[][] x = [.. tokens.Select(id => Widen(table.AsSpan(id * hidden, hidden)))];
        for (int layer = 0; layer < _config.LayerCount; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            Add(x, Attention(Normed(x, prefix + "input_layernorm.weight"), prefix + "self_attn.", layer));
            Add(x, FeedForward(Normed(x, prefix + "post_attention_layernorm.weight"), prefix + "mlp."));
        }
        string head = _config.TieWordEmbeddings ? "model.embed_tokens" : "lm_head";
        return Linear(Normed(x, "model.norm.weight"), head, _config.VocabularySize, hasBias: false);
    }

    /// <summary>x / rms(x) * weight.</summary>
    public static double[] Norm(ReadOnlySpan<double> x, ReadOnlySpan<float> weight, double epsilon)
    {
        double squares = 0;
        foreach (double value in x)
            squares += value * value;
        double[] result = new double[x.Length];
        for (int index = 0; index < x.Length; index++)
            result[index] = x[index] / Math.Sqrt((squares / x.Length) + epsilon) * weight[index];
        return result;
    }

    /// <summary>Turns pairs (j, j + half) by angles position * frequency, scaled.</summary>
    public static double[] Rope(ReadOnlySpan<double> head, int position, RopeConfig rope)
    {
        int half = head.Length / 2;
        double[] result = new double[head.Length];
        for (int j = 0; j < half; j++)
        {
            (double sin, double cos) = Math.SinCos(position * (double)rope.InverseFrequencies[j]);
            result[j] = ((head[j] * cos) - (head[j + half] * sin)) * rope.AttentionFactor;
            result[j + half] = ((head[j + half] * cos) + (head[j] * sin)) * rope.AttentionFactor;
        }
        return result;
    }

    /// <summary>One query head over keys and values [positions][headDim].</summary>
    public static double[] Attend(
        double[] query, IReadOnlyList<double[]> keys, IReadOnlyList<double[]> values)
    {
        double[] weights = new double[keys.Count];
        for (int k = 0; k < keys.Count; k++)
            weights[k] = query.Zip(keys[k], (a, b) => a * b).Sum() / Math.Sqrt(query.Length);
        double max = weights.Max();
        double sum = weights.Sum(weight => Math.Exp(weight - max));
        double[] result = new double[query.Length];
        for (int k = 0; k < keys.Count; k++)
        {
            for (int j = 0; j < result.Length; j++)
                result[j] += Math.Exp(weights[k] - max) / sum * values[k][j];
        }
        return result;
    }

    public static double[] Widen(ReadOnlySpan<float> values)
    {
        double[] wide = new double[values.Length];
        for (int index = 0; index < values.Length; index++)
            wide[index] = values[index];
        return wide;
    }

    private double[][] Attention(double[][] x, string prefix, int layer)
    {
        int width = _config.HeadDim;
        double[][] q = Linear(x, prefix + "q_proj", _config.HeadCount * width, _config.QkvBias);
        double[][] k = Linear(x, prefix + "k_proj", _config.KvHeadCount * width, _config.QkvBias);
        double[][] v = Linear(x, prefix + "v_proj", _config.KvHeadCount * width, _config.QkvBias);
        double[][] attended = new double[x.Length][];
        int window = _config.SlidingWindows[layer] > 0 ? _config.SlidingWindows[layer] : x.Length;
        for (int position = 0; position < x.Length; position++)
        {
            int first = Math.Max(0, position - window + 1);
            attended[position] = [.. Enumerable.Range(0, _config.HeadCount).SelectMany(head =>
            {
                int kvHead = head / (_config.HeadCount / _config.KvHeadCount);
                double[] query = Turned(q[position], head, position, prefix + "q_norm.weight");
                IEnumerable<int> seen = Enumerable.Range(first, position - first + 1);
                return Attend(
                    query, [.. seen.Select(p => Turned(k[p], kvHead, p, prefix + "k_norm.weight"))],
                    [.. seen.Select(p => v[p].AsSpan(kvHead * width, width).ToArray())]);
            })];
        }
        return Linear(attended, prefix + "o_proj", _config.HiddenSize, _config.OutputBias);
    }

    private double[] Turned(double[] row, int head, int position, string norm)
    {
        double[] values = row.AsSpan(head * _config.HeadDim, _config.HeadDim).ToArray();
        if (_config.QkNorm)
            values = Norm(values, checkpoint.Tensor(norm, _config.HeadDim), _config.RmsNormEpsilon);
        return Rope(values, position, _config.Rope);
    }

    private double[][] FeedForward(double[][] x, string prefix)
    {
        double[][] gate = Linear(x, prefix + "gate_proj", _config.IntermediateSize, _config.MlpBias);
        double[][] up = Linear(x, prefix + "up_proj", _config.IntermediateSize, _config.MlpBias);
        double[][] product =
            [.. gate.Zip(up, (g, u) => g.Zip(u, (a, b) => a / (1 + Math.Exp(-a)) * b).ToArray())];
        return Linear(product, prefix + "down_proj", _config.HiddenSize, _config.MlpBias);
    }

    private double[][] Normed(double[][] x, string name) =>
        [.. x.Select(row => Norm(row, checkpoint.Tensor(name, row.Length), _config.RmsNormEpsilon))];

    private double[][] Linear(double[][] x, string name, int rows, bool hasBias)
    {
        int columns = x[0].Length;
        float[] weight = checkpoint.Tensor(name + ".weight", rows * columns);
        float[] bias = hasBias ? checkpoint.Tensor(name + ".bias", rows) : new float[rows];
        double[][] result = new double[x.Length][];
        for (int token = 0; token < x.Length; token++)
        {
            result[token] = Widen(bias);
            for (int row = 0; row < rows; row++)
            {
                for (int column = 0; column < columns; column++)
                    result[token][row] += x[token][column] * weight[(row * columns) + column];
            }
        }
        return result;
    }

    private static void Add(double[][] x, double[][] delta)
    {
        for (int token = 0; token < x.Length; token++)
        {
            for (int index = 0; index < x[token].Length; index++)
                x[token][index] += delta[token][index];
        }
    }
}
