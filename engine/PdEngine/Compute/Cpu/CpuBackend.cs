using System.Runtime.CompilerServices;
using PdEngine.Interop;

namespace PdEngine;

/// <summary>The kernels of libpd_cpu on a thread team: bf16 weights and KV, float32 activations.</summary>
internal sealed unsafe class CpuBackend : IBackend
{
    private readonly CpuTeam _team;
    private readonly CpuScratch _scratch = new();
    private readonly CpuIsa _isa;
    private readonly int _loadThreadCount;

    /// <param name="isa">A resolved one.</param>
    /// <param name="team">Its threads; the backend owns it.</param>
    /// <param name="threadCount">Cores of the team.</param>
    /// <param name="loadThreadCount">Threads that load a weight: nothing computes yet.</param>
    public CpuBackend(CpuIsa isa, CpuTeam team, int threadCount, int loadThreadCount)
    {
        _isa = isa;
        _team = team;
        _loadThreadCount = loadThreadCount;
        ThreadCount = threadCount;
    }

    /// <summary>Threads of the device's own that an op may use, the caller's included.</summary>
    public int ThreadCount { get; }

    /// <summary>What its ops are called on; for others that compute on the same cores.</summary>
    public CpuTeam Team => _team;

    public CpuIsa Isa => _isa;

    /// <summary>Tiles of its ops that other devices' cores have computed; any thread may ask.</summary>
    public long LentTiles => _team.LentTiles;

    public string Name => $"cpu/{CpuIsaSupport.NameOf(_isa)}";

    public KvElement KvElement => KvElement.BFloat16;

    public Tensor CreateTensor(int rowCapacity, int columns) => new(rowCapacity, columns);

    public KvStore CreateKvStore(KvLayout layout, int blockCount)
    {
        Check.That(blockCount > 0 && layout.Planes.Count == 2);
        foreach (KvPlane plane in layout.Planes)
            Check.That(plane.Element == KvElement.BFloat16);
        CpuMemory memory = Make(() => CpuMemory.Map(layout.BlockBytes * blockCount));
        return new CpuKvStore(layout, blockCount, memory);
    }

    public Matrix LoadMatrix(
        int rows, int columns, int segmentCount, MatrixElement element, MatrixReader reader)
    {
        Check.That(rows > 0 && columns > 0 && segmentCount is 1 or 2 or 4 && columns % segmentCount == 0);
        CpuWeightShape shape = new(_isa, element, rows, columns, segmentCount);
        return Make(() => CpuWeightLoader.Load(shape, _loadThreadCount, reader));
    }

    public void ReloadMatrix(Matrix matrix, MatrixReader reader) =>
        Make(() => CpuWeightLoader.Fill(Own(matrix), _loadThreadCount, reader));

    public void Embed(Matrix table, ReadOnlySpan<int> tokenIds, Tensor output)
    {
        CpuMatrix weight = Own(table);
        Check.That(output.Rows == tokenIds.Length && output.Columns == table.Columns);
        fixed (int* ids = tokenIds)
        {
            if (weight.Element == MatrixElement.Int8)
            {
                EmbedInt8(weight, ids, tokenIds.Length, output);
                return;
            }
            EmbedArgs args = new()
            {
                Team = _team.Address,
                W = (void*)weight.Address,
                Ids = ids,
                Y = (float*)output.Address,
                Count = tokenIds.Length,
                N = weight.Rows,
                K = weight.Columns,
                YStride = output.Stride,
                Isa = (int)_isa,
            };
            Run(CpuNative.pd_cpu_embed(&args));
        }
    }

    public void RmsNorm(Tensor input, Tensor weight, float epsilon, Tensor output)
    {
        Check.That(output.Rows == input.Rows && output.Columns == input.Columns);
        Check.That(weight.Columns == input.Columns);
        RmsNormArgs args = new()
        {
            Team = _team.Address,
            X = (float*)input.Address,
            Weight = (float*)weight.Address,
            Y = (float*)output.Address,
            Rows = input.Rows,
            Columns = input.Columns,
            XStride = input.Stride,
            YStride = output.Stride,
            Epsilon = epsilon,
            Isa = (int)_isa,
        };
        Run(CpuNative.pd_cpu_rms_norm(&args));
    }

    public void MatMul(Tensor input, Matrix weight, Tensor? bias, Tensor output) =>
        Multiply(input, weight, bias, output, MatMulEpilogue.Store);

    public void MatMulAdd(Tensor input, Matrix weight, Tensor? bias, Tensor residual) =>
        Multiply(input, weight, bias, residual, MatMulEpilogue.Add);

    public void MatMulSwiGlu(Tensor input, Matrix weight, Tensor? bias, Tensor output)
    {
        GatedRows.CheckFits(input, weight, bias, output);
        Multiply(input, weight, bias, output, MatMulEpilogue.SwiGlu);
    }

    public void AddPartials(
        ReadOnlySpan<Tensor> partials, Tensor? bias, Tensor residual, int firstColumn, int columnCount)
    {
        residual.CheckSum(partials, bias, firstColumn, columnCount);
        if (columnCount == 0)
            return;
        SumArgs args = new()
        {
            Team = _team.Address,
            Partial0 = (float*)partials[0].Address + firstColumn,
            Partial1 = (float*)partials[1].Address + firstColumn,
            Bias = bias is null ? null : (float*)bias.Address + firstColumn,
            Y = (float*)residual.Address + firstColumn,
            Rows = residual.Rows,
            Columns = columnCount,
            PartialStride = partials[0].Stride,
            YStride = residual.Stride,
            PartialCount = partials.Length,
            Isa = (int)_isa,
        };
        if (partials.Length == 4)
        {
            args.Partial2 = (float*)partials[2].Address + firstColumn;
            args.Partial3 = (float*)partials[3].Address + firstColumn;
        }
        Run(CpuNative.pd_cpu_sum(&args));
    }

    public void RotateAndAppend(
        Tensor qkv, AttentionShape shape, Tensor rope, Tensor? queryNorm, Tensor? keyNorm, float epsilon,
        KvStore store, int layer, AttentionBatch batch)
    {
        CpuKvStore blocks = Fitting(store, shape);
        Check.That(qkv.Columns == shape.QkvColumns && rope.Columns == shape.HeadDim);
        Check.That(queryNorm is null || queryNorm.Columns == shape.HeadDim);
        Check.That(keyNorm is null || keyNorm.Columns == shape.HeadDim);
        batch.CheckFits(store, qkv.Rows);
        fixed (AttentionSlice* slices = batch.Slices)
        fixed (int* blockIds = batch.Blocks)
        {
            AppendArgs args = new()
            {
                Team = _team.Address,
                Qkv = (float*)qkv.Address,
                Rope = (float*)rope.Address,
                QNorm = AddressOrNull(queryNorm),
                KNorm = AddressOrNull(keyNorm),
                Store = (byte*)blocks.LayerAddress(layer),
                Slices = slices,
                Blocks = blockIds,
                QkvStride = qkv.Stride,
                RopeStride = rope.Stride,
                BlockBytes = store.Layout.BlockBytes,
                SliceCount = batch.SliceCount,
                TokenCount = qkv.Rows,
                Heads = shape.HeadCount,
                KvHeads = shape.KvHeadCount,
                FirstKvHead = shape.FirstKvHead,
                StoreKvHeads = store.Layout.Planes[0].Heads,
                HeadDim = shape.HeadDim,
                PageSize = store.Layout.PageSize,
                Epsilon = epsilon,
                Isa = (int)_isa,
            };
            Run(CpuNative.pd_cpu_rotate_and_append(&args));
        }
    }

    public void Attend(
        Tensor qkv, AttentionShape shape, KvStore store, int layer, int window, AttentionBatch batch,
        Tensor output)
    {
        CpuKvStore blocks = Fitting(store, shape);
        Check.That(qkv.Columns == shape.QkvColumns && output.Columns == shape.QueryColumns);
        Check.That(output.Rows == qkv.Rows && window >= 0);
        batch.CheckFits(store, qkv.Rows);
        fixed (AttentionSlice* slices = batch.Slices)
        fixed (int* blockIds = batch.Blocks)
        {
            AttendArgs args = new()
            {
                Team = _team.Address,
                Q = (float*)qkv.Address,
                Store = (byte*)blocks.LayerAddress(layer),
                Slices = slices,
                Blocks = blockIds,
                Y = (float*)output.Address,
                QStride = qkv.Stride,
                YStride = output.Stride,
                BlockBytes = store.Layout.BlockBytes,
                SliceCount = batch.SliceCount,
                TokenCount = qkv.Rows,
                Heads = shape.HeadCount,
                KvHeads = shape.KvHeadCount,
                FirstKvHead = shape.FirstKvHead,
                StoreKvHeads = store.Layout.Planes[0].Heads,
                HeadDim = shape.HeadDim,
                PageSize = store.Layout.PageSize,
                Window = window,
                Scale = (float)(1 / Math.Sqrt(shape.HeadDim)),
                Isa = (int)_isa,
            };
            args.ScratchBytes = CpuNative.pd_cpu_attend_scratch_bytes(&args);
            args.Scratch = _scratch.Require(args.ScratchBytes);
            Run(CpuNative.pd_cpu_attend(&args));
        }
    }

    /// <summary>
    /// output = silu(gate) * up, where a row of gateUp is gate, then up: the bits of
    /// <see cref="MatMulSwiGlu"/>.
    /// </summary>
    public void SwiGlu(Tensor gateUp, Tensor output)
    {
        Check.That(gateUp.Rows == output.Rows && gateUp.Columns == output.Columns * 2);
        SwiGluArgs args = new()
        {
            Team = _team.Address,
            GateUp = (float*)gateUp.Address,
            Y = (float*)output.Address,
            Rows = gateUp.Rows,
            Columns = output.Columns,
            GateUpStride = gateUp.Stride,
            YStride = output.Stride,
            Isa = (int)_isa,
        };
        Run(CpuNative.pd_cpu_swiglu(&args));
    }

    public void GatherRows(Tensor input, ReadOnlySpan<int> rows, Tensor output) =>
        output.CopyRows(input, rows);

    public void Sample(Tensor logits, int firstLogitsRow, SampleBatch samples, int first, int count)
    {
        Check.That(first >= 0 && count >= 0 && first + count <= samples.RowCount);
        if (count == 0)
            return;
        samples.CheckFits(logits, firstLogitsRow, first, count);
        fixed (SampleRow* rows = samples.Rows)
        fixed (int* history = samples.History)
        fixed (int* biasIds = samples.BiasIds)
        fixed (float* biasValues = samples.BiasValues)
        fixed (int* suppressed = samples.Suppressed)
        fixed (SampleResult* results = samples.Results)
        fixed (TopLogProb* tops = samples.Tops)
        {
            SampleArgs args = new()
            {
                Team = _team.Address,
                Logits = (float*)logits.Address,
                Rows = rows + first,
                History = history,
                BiasIds = biasIds,
                BiasValues = biasValues,
                Suppressed = suppressed,
                Results = results + first,
                Tops = tops,
                LogitsStride = logits.Stride,
                Vocabulary = logits.Columns,
                RowCount = count,
                FirstLogitsRow = firstLogitsRow,
                Isa = (int)_isa,
            };
            args.Scratch = _scratch.Require(CpuNative.pd_cpu_sample_scratch_bytes(&args));
            Run(CpuNative.pd_cpu_sample(&args));
        }
    }

    public void Rest() => _team.Rest();

    public void Dispose()
    {
        _team.Dispose();
        _scratch.Dispose();
    }

    private void Multiply(
        Tensor input, Matrix weight, Tensor? bias, Tensor output, MatMulEpilogue epilogue)
    {
        CpuMatrix own = Own(weight);
        bool gates = epilogue == MatMulEpilogue.SwiGlu;
        Check.That(input.Columns == weight.Columns && (gates || output.Columns == weight.Rows));
        Check.That(output.Rows == input.Rows && (bias is null || bias.Columns == weight.Rows));
        MatMulArgs args = new()
        {
            Team = _team.Address,
            X = (float*)input.Address,
            W = (void*)own.Address,
            Bias = AddressOrNull(bias),
            Y = (float*)output.Address,
            Rows = input.Rows,
            N = weight.Rows,
            K = weight.Columns,
            XStride = input.Stride,
            YStride = output.Stride,
            Isa = (int)_isa,
            Segments = weight.SegmentCount,
            Epilogue = (int)epilogue,
        };
        if (own.Element == MatrixElement.Int8)
        {
            args.Scratch = _scratch.Require(CpuNative.pd_cpu_matmul_int8_scratch_bytes(&args));
            Run(CpuNative.pd_cpu_matmul_int8(&args));
            return;
        }
        args.Scratch = _scratch.Require(CpuNative.pd_cpu_matmul_scratch_bytes(&args));
        Run(CpuNative.pd_cpu_matmul(&args));
    }

    private static float* AddressOrNull(Tensor? tensor) => tensor is null ? null : (float*)tensor.Address;

    private static CpuKvStore Fitting(KvStore store, AttentionShape shape)
    {
        shape.CheckFits(store.Layout);
        return (CpuKvStore)store;
    }

    private static T Make<T>(Func<T> make)
    {
        try
        {
            return make();
        }
        catch (NativeException refused)
        {
            throw new BackendException($"The CPU backend: {refused.Message}", refused);
        }
    }

    private static void Run(
        NativeStatus status, [CallerArgumentExpression(nameof(status))] string operation = "")
    {
        if (status != NativeStatus.Ok)
            Fail(status, operation);
    }

    // Apart from Run, which would otherwise allocate the closure on every op.
    private static void Fail(NativeStatus status, string operation) =>
        Make(() =>
        {
            NativeCalls.ThrowIfFailed(status, operation);
            return 0;
        });

    private void EmbedInt8(CpuMatrix weight, int* ids, int count, Tensor output)
    {
        EmbedInt8Args args = new()
        {
            Team = _team.Address,
            W = (void*)weight.Address,
            Ids = ids,
            Y = (float*)output.Address,
            Count = count,
            N = weight.Rows,
            K = weight.Columns,
            YStride = output.Stride,
            Isa = (int)_isa,
            Segments = weight.SegmentCount,
        };
        Run(CpuNative.pd_cpu_embed_int8(&args));
    }

    private CpuMatrix Own(Matrix weight)
    {
        CpuMatrix own = (CpuMatrix)weight;
        Check.That(own.Isa == _isa);
        return own;
    }
}
