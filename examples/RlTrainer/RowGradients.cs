using System.Runtime.Intrinsics;

namespace PdEngine.Examples;

/// <summary>Gradients of the ops on single rows: RMSNorm, SwiGLU and the log-softmax.</summary>
/// <remarks>
/// Rows are cut into blocks of a fixed size; sums over rows are added block by block in order, so the number
/// of threads changes no bit.
/// </remarks>
internal sealed unsafe class RowGradients(
    int tokenCapacity, int hiddenSize, ParallelOptions threads) : IDisposable
{
    private const int BlockRows = 64;

    // The gradient of a norm's weight, one row for each block.
    private readonly FloatVector _partials = new((tokenCapacity + BlockRows - 1) / BlockRows * hiddenSize);

    /// <summary>y = x / rms(x) * w: dx += and dw +=.</summary>
    /// <param name="x">[rows, columns].</param>
    /// <param name="weight">[1, columns].</param>
    /// <param name="epsilon">Of the norm.</param>
    /// <param name="dy">[rows, columns].</param>
    /// <param name="dx">[rows, columns]; added to.</param>
    /// <param name="dw">[1, columns]; added to.</param>
    public void AddRmsNorm(
        FloatMatrix x, FloatMatrix weight, float epsilon, FloatMatrix dy, FloatMatrix dx, FloatMatrix dw)
    {
        int columns = x.Columns;
        int blocks = (x.Rows + BlockRows - 1) / BlockRows;
        Parallel.For(0, blocks, threads, block =>
        {
            float* partial = _partials.Address + ((long)block * columns);
            new Span<float>(partial, columns).Clear();
            int end = Math.Min(x.Rows, (block + 1) * BlockRows);
            for (int row = block * BlockRows; row < end; row++)
            {
                AddRmsNormRow(
                    x.Address + ((long)row * x.Stride), weight.Address, epsilon,
                    dy.Address + ((long)row * dy.Stride), dx.Address + ((long)row * dx.Stride), partial,
                    columns);
            }
        });
        for (int block = 0; block < blocks; block++)
        {
            for (int column = 0; column < columns; column++)
                dw.Address[column] += _partials.Address[((long)block * columns) + column];
        }
    }

    /// <summary>y = silu(gate) * up.</summary>
    /// <param name="gateUp">[rows, 2 * inner] in the order of <see cref="GatedRows"/>.</param>
    /// <param name="dy">[rows, inner].</param>
    /// <param name="dGateUp">[rows, 2 * inner]: gate, then up.</param>
    public void SwiGlu(FloatMatrix gateUp, FloatMatrix dy, FloatMatrix dGateUp)
    {
        int columns = dy.Columns;
        EachRow(dy.Rows, row =>
        {
            float* gates = gateUp.Address + ((long)row * gateUp.Stride);
            float* dGates = dGateUp.Address + ((long)row * dGateUp.Stride);
            float* from = dy.Address + ((long)row * dy.Stride);
            for (int at = 0; at < columns; at += Lanes.Count)
            {
                Vector512<float> gate = Vector512.Load(gates + GatedRows.IndexOf(at));
                Vector512<float> up = Vector512.Load(gates + GatedRows.IndexOf(at) + GatedRows.RunRows);
                Vector512<float> d = Vector512.Load(from + at);
                Vector512<float> sigmoid = Lanes.Sigmoid(gate);
                Vector512<float> silu = gate * sigmoid;
                // silu' = s (1 + g (1 - s)) = s + silu - silu s
                Vector512<float> slope = sigmoid + silu - (silu * sigmoid);
                (d * up * slope).Store(dGates + at);
                (d * silu).Store(dGates + columns + at);
            }
        });
    }

    /// <summary>
    /// Logits become gradients: of row r, dLogProb[r] * (onehot(target) - softmax(z / temperature)) /
    /// temperature.
    /// </summary>
    public void LogSoftmax(
        FloatMatrix logits, int[] targets, float[] logProbs, float[] dLogProbs, float temperature)
    {
        float inverse = 1 / temperature;
        EachRow(logits.Rows, row =>
        {
            float* z = logits.Address + ((long)row * logits.Stride);
            float logSum = (z[targets[row]] * inverse) - logProbs[row];
            float scale = -dLogProbs[row] * inverse;
            Vector512<float> logSums = Vector512.Create(logSum);
            // The padding past the vocabulary is computed too; nothing reads it.
            for (int at = 0; at < logits.Columns; at += Lanes.Count)
            {
                Vector512<float> tempered = Vector512.Load(z + at) * Vector512.Create(inverse);
                (Vector512.Exp(tempered - logSums) * Vector512.Create(scale)).Store(z + at);
            }
            z[targets[row]] -= scale;
        });
    }

    public void Dispose() => _partials.Dispose();

    private void EachRow(int rows, Action<int> gradient) =>
        Parallel.For(0, (rows + BlockRows - 1) / BlockRows, threads, block =>
        {
            int end = Math.Min(rows, (block + 1) * BlockRows);
            for (int row = block * BlockRows; row < end; row++)
                gradient(row);
        });

    private static void AddRmsNormRow(
        float* x, float* weight, float epsilon, float* dy, float* dx, float* dw, int columns)
    {
        Vector512<float> squares = Vector512<float>.Zero;
        Vector512<float> products = Vector512<float>.Zero;
        for (int at = 0; at < columns; at += Lanes.Count)
        {
            Vector512<float> value = Vector512.Load(x + at);
            Vector512<float> scaled = Vector512.Load(dy + at) * Vector512.Load(weight + at);
            squares = Lanes.Fma(value, value, squares);
            products = Lanes.Fma(value, scaled, products);
        }
        float mean = (Lanes.Sum(squares) / columns) + epsilon;
        float scale = 1 / MathF.Sqrt(mean);
        Vector512<float> scales = Vector512.Create(scale);
        Vector512<float> pull = Vector512.Create(-scale * Lanes.Sum(products) / (mean * columns));
        for (int at = 0; at < columns; at += Lanes.Count)
        {
            Vector512<float> value = Vector512.Load(x + at);
            Vector512<float> d = Vector512.Load(dy + at);
            Vector512<float> direct = d * Vector512.Load(weight + at) * scales;
            (Vector512.Load(dx + at) + Lanes.Fma(value, pull, direct)).Store(dx + at);
            Lanes.Fma(d, value * scales, Vector512.Load(dw + at)).Store(dw + at);
        }
    }
}
