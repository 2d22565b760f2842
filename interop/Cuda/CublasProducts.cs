namespace PdEngine.Interop;

/// <summary>
/// Products of bf16 matrices into float32 by cuBLASLt, on streams of one context. It picks its kernels by the
/// shape: a row's bits depend on how many others there are. One thread at a time calls it.
/// </summary>
internal sealed unsafe class CublasProducts : CudaHandle
{
    private const int Float = 0;
    private const int BFloat16 = 14;
    private const int ComputeFloat = 68;
    private const int TransposeA = 3;
    private const int Epilogue = 7;
    private const int BiasPointer = 8;
    private const int MostRoomBytes = 1;
    private const int LeastAlignmentOfA = 5;
    private const uint MostAlignment = 256;
    private const uint AddsBias = 4;
    private const int NotSupported = 15;

    private readonly CublasLt _library;
    private readonly CudaBuffer _room;
    private readonly Dictionary<(CublasShape Shape, uint Alignment), Plan> _plans = [];

    /// <exception cref="CudaException">It cannot be started, or there is too little memory.</exception>
    public CublasProducts(CublasLt library, CudaContext context)
        : base(context)
    {
        _library = library;
        context.MakeCurrent();
        nint made = 0;
        try
        {
            library.ThrowIfFailed(library.cublasLtCreate(&made));
            // As much as its maker advises.
            _room = new(context, context.Device.Capability >= 90 ? 32L << 20 : 4L << 20);
        }
        catch
        {
            if (made != 0)
                library.cublasLtDestroy(made);
            Forget();
            throw;
        }
        SetHandle(made);
    }

    /// <summary>
    /// output = input weightᵀ + bias, added to what the output has where the shape says so.
    /// </summary>
    /// <param name="shape">Rows, columns, strides.</param>
    /// <param name="input">bf16 [rows, columns].</param>
    /// <param name="weight">bf16 [outputs, columns].</param>
    /// <param name="bias">float32 [outputs]; 0 is none.</param>
    /// <param name="output">float32 [rows, outputs].</param>
    /// <param name="stream">Of the context.</param>
    /// <exception cref="CudaException">It has no kernel for the shape, or fails.</exception>
    public void Multiply(
        in CublasShape shape, ulong input, ulong weight, ulong bias, ulong output, CudaStream stream)
    {
        ulong places = input | weight | output | MostAlignment;
        uint alignment = (uint)(places & (~places + 1));
        if (!_plans.TryGetValue((shape, alignment), out Plan? plan))
        {
            plan = new(_library, handle, shape, alignment, bias, (nuint)_room.Bytes);
            _plans.Add((shape, alignment), plan);
        }
        if (bias != 0)
        {
            _library.ThrowIfFailed(_library.cublasLtMatmulDescSetAttribute(
                plan.Description, BiasPointer, &bias, sizeof(ulong)));
        }
        float one = 1, kept = shape.Adds ? 1 : 0;
        fixed (CublasAlgorithm* algorithm = &plan.Algorithm)
        {
            _library.ThrowIfFailed(_library.cublasLtMatmul(
                handle, plan.Description, &one, weight, plan.Weight, input, plan.Input, &kept, output,
                plan.Output, output, plan.Output, algorithm, _room.First, plan.RoomBytes, stream.Address));
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !IsClosed)
        {
            foreach (Plan plan in _plans.Values)
                plan.Dispose();
            _room?.Dispose();
        }
        base.Dispose(disposing);
    }

    private protected override CudaResult Free(nint owned) =>
        _library.cublasLtDestroy(owned) == 0 ? CudaResult.Success : CudaResult.Unknown;

    // What it was asked for a shape and answered. It thinks in columns: its D is the output transposed.
    private sealed class Plan : IDisposable
    {
        public readonly nint Description, Weight, Input, Output;
        public readonly nuint RoomBytes;
        public CublasAlgorithm Algorithm;
        private readonly CublasLt _library;

        public Plan(
            CublasLt library, nint handle, in CublasShape shape, uint alignment, ulong bias, nuint roomBytes)
        {
            _library = library;
            nint description = 0, weight = 0, input = 0, output = 0, preference = 0;
            ulong rows = (ulong)shape.Rows, outputs = (ulong)shape.Outputs, columns = (ulong)shape.Columns;
            int transposes = 1;
            uint epilogue = AddsBias;
            CublasHeuristic found = default;
            try
            {
                library.ThrowIfFailed(library.cublasLtMatmulDescCreate(&description, ComputeFloat, Float));
                library.ThrowIfFailed(library.cublasLtMatmulDescSetAttribute(
                    description, TransposeA, &transposes, sizeof(int)));
                if (bias != 0)
                {
                    library.ThrowIfFailed(library.cublasLtMatmulDescSetAttribute(
                        description, Epilogue, &epilogue, sizeof(uint)));
                    library.ThrowIfFailed(library.cublasLtMatmulDescSetAttribute(
                        description, BiasPointer, &bias, sizeof(ulong)));
                }
                library.ThrowIfFailed(library.cublasLtMatrixLayoutCreate(
                    &weight, BFloat16, columns, outputs, shape.WeightStride));
                library.ThrowIfFailed(library.cublasLtMatrixLayoutCreate(
                    &input, BFloat16, columns, rows, shape.InputStride));
                library.ThrowIfFailed(library.cublasLtMatrixLayoutCreate(
                    &output, Float, outputs, rows, shape.OutputStride));
                library.ThrowIfFailed(library.cublasLtMatmulPreferenceCreate(&preference));
                library.ThrowIfFailed(library.cublasLtMatmulPreferenceSetAttribute(
                    preference, MostRoomBytes, &roomBytes, (nuint)sizeof(nuint)));
                for (int matrix = 0; matrix < 4; matrix++)
                {
                    library.ThrowIfFailed(library.cublasLtMatmulPreferenceSetAttribute(
                        preference, LeastAlignmentOfA + matrix, &alignment, sizeof(uint)));
                }
                int count = 0;
                library.ThrowIfFailed(library.cublasLtMatmulAlgoGetHeuristic(
                    handle, description, weight, input, output, output, preference, 1, &found, &count));
                library.ThrowIfFailed(count == 1 ? found.Status : NotSupported, $"a product {shape}");
            }
            catch
            {
                (Description, Weight, Input, Output) = (description, weight, input, output);
                Dispose();
                throw;
            }
            finally
            {
                if (preference != 0)
                    library.cublasLtMatmulPreferenceDestroy(preference);
            }
            (Description, Weight, Input, Output) = (description, weight, input, output);
            (Algorithm, RoomBytes) = (found.Algorithm, found.RoomBytes);
        }

        public void Dispose()
        {
            foreach (nint layout in (ReadOnlySpan<nint>)[Weight, Input, Output])
            {
                if (layout != 0)
                    _library.cublasLtMatrixLayoutDestroy(layout);
            }
            if (Description != 0)
                _library.cublasLtMatmulDescDestroy(Description);
        }
    }
}

/// <summary>A product as cuBLASLt is asked for it.</summary>
/// <param name="Rows">Rows of input and output.</param>
/// <param name="Outputs">Rows of the weight, columns of the output.</param>
/// <param name="Columns">Of input and weight.</param>
/// <param name="InputStride">Elements from a row to the next.</param>
/// <param name="WeightStride">The same of the weight.</param>
/// <param name="OutputStride">The same of the output.</param>
/// <param name="HasBias">A bias is added.</param>
/// <param name="Adds">The product is added to what the output has.</param>
internal readonly record struct CublasShape(
    int Rows, int Outputs, int Columns, long InputStride, long WeightStride, long OutputStride, bool HasBias,
    bool Adds);
