terraform import mesh_global_service.checkout shop/checkout.mesh.local
